//! Reads the body of a layer in ONNX: see [`Source`](plugin_api::Source) for what may stand in one.

use plugin_api::{Error, Named};

/// A line: the names that it gives to what an expression makes; none where it is what the layer returns.
#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) names: Vec<String>,
    pub(super) value: Expr,
    /// Which line of the body, counted from 1.
    pub(super) line: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Expr {
    /// An argument, or what a line before it has named.
    Name(String),
    /// What stands behind `self.`: a weight, or a part.
    Own(String),
    Int(i64),
    Float(f64),
    Text(String),
    None,
    List(Vec<Expr>),
    /// Outputs by port.
    Ports(Named<Expr>),
    /// A part of a graph: `graph.sources`.
    Field(Box<Expr>, String),
    /// One of several outputs: `y["state"]`.
    Port(Box<Expr>, String),
    /// An operator or a part, its inputs, and its attributes.
    Call(Box<Expr>, Vec<Expr>, Vec<(String, Expr)>),
}

/// The lines of a body.
pub(super) fn parse(body: &str) -> Result<Vec<Statement>, Error> {
    let mut reader = Reader {
        tokens: tokens(body)?,
        at: 0,
    };
    let mut statements = vec![];
    loop {
        while reader.takes(&Token::End) {}
        if reader.peek() == &Token::Eof {
            return Ok(statements);
        }
        statements.push(reader.statement()?);
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Int(i64),
    Float(f64),
    Text(String),
    Sign(char),
    /// The end of a line that is not within brackets.
    End,
    Eof,
}

/// The tokens, each with its line.
fn tokens(body: &str) -> Result<Vec<(Token, usize)>, Error> {
    let mut tokens = vec![];
    let mut depth = 0_usize;
    for (i, text) in body.lines().enumerate() {
        let line = i + 1;
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next().filter(|c| *c != '#') {
            let (token, length) = token(rest, first, line)?;
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            tokens.push((token, line));
            rest = rest[length..].trim_start();
        }
        if depth == 0 {
            tokens.push((Token::End, line));
        }
    }
    tokens.push((Token::Eof, body.lines().count().max(1)));
    Ok(tokens)
}

/// The token with which a text begins, and its length.
fn token(text: &str, first: char, line: usize) -> Result<(Token, usize), Error> {
    let run = |among: fn(char) -> bool| text.find(|c| !among(c)).unwrap_or(text.len());
    if first.is_ascii_alphabetic() || first == '_' {
        let length = run(|c| c.is_ascii_alphanumeric() || c == '_');
        return Ok((Token::Word(text[..length].into()), length));
    }
    if first.is_ascii_digit() {
        let mut length = run(|c| c.is_ascii_alphanumeric() || c == '.');
        // The sign of an exponent.
        if text[..length].ends_with('e') && text[length..].starts_with(['-', '+']) {
            let digits = &text[length + 1..];
            let digits = digits.find(|c: char| !c.is_ascii_digit());
            length += 1 + digits.unwrap_or(text.len() - length - 1);
        }
        let number = &text[..length];
        let token = number.parse().map(Token::Int);
        let token = token.or_else(|_| number.parse().map(Token::Float));
        let token = token.map_err(|_| unread(line, number, "a number"))?;
        return Ok((token, length));
    }
    if first == '"' {
        let Some(length) = text[1..].find('"') else {
            return Err(unread(line, text, "a text that ends in `\"`"));
        };
        return Ok((Token::Text(text[1..=length].into()), length + 2));
    }
    if "()[]{},:.=+-*/@".contains(first) {
        return Ok((Token::Sign(first), 1));
    }
    let found = first.to_string();
    Err(unread(
        line,
        &found,
        "a name, a number, a text or an operator",
    ))
}

struct Reader {
    tokens: Vec<(Token, usize)>,
    at: usize,
}

impl Reader {
    fn statement(&mut self) -> Result<Statement, Error> {
        let line = self.line();
        let mut names = vec![];
        if !self.takes(&Token::Word("return".into())) {
            loop {
                names.push(self.word("a name for what the line makes, or `return`")?);
                if !self.takes(&Token::Sign(',')) {
                    break;
                }
            }
            self.expect('=')?;
        }
        let value = self.sum()?;
        match self.takes(&Token::End) {
            true => Ok(Statement { names, value, line }),
            false => Err(self.unexpected("the end of the line")),
        }
    }

    fn sum(&mut self) -> Result<Expr, Error> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Token::Sign('+') => "Add",
                Token::Sign('-') => "Sub",
                _ => return Ok(left),
            };
            self.at += 1;
            left = infix(operator, left, self.product()?);
        }
    }

    fn product(&mut self) -> Result<Expr, Error> {
        let mut left = self.operand()?;
        loop {
            let operator = match self.peek() {
                Token::Sign('*') => "Mul",
                Token::Sign('/') => "Div",
                Token::Sign('@') => "MatMul",
                _ => return Ok(left),
            };
            self.at += 1;
            left = infix(operator, left, self.operand()?);
        }
    }

    /// Something with all that stands right behind it: `y["state"]`, `graph.sources`, `Relu(x)`.
    fn operand(&mut self) -> Result<Expr, Error> {
        let mut operand = self.first()?;
        loop {
            if self.takes(&Token::Sign('.')) {
                let word = self.word("a name")?;
                operand = match operand {
                    Expr::Own(name) if name.is_empty() => Expr::Own(word),
                    Expr::Own(name) => Expr::Own(format!("{name}.{word}")),
                    other => Expr::Field(Box::new(other), word),
                };
            } else if self.takes(&Token::Sign('[')) {
                let port = self.text()?;
                self.expect(']')?;
                operand = Expr::Port(Box::new(operand), port);
            } else if self.takes(&Token::Sign('(')) {
                operand = self.call(operand)?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn first(&mut self) -> Result<Expr, Error> {
        let token = self.peek().clone();
        self.at += 1;
        Ok(match token {
            Token::Word(word) => match word.as_str() {
                "self" => Expr::Own(String::new()),
                "None" => Expr::None,
                "getattr" => {
                    self.expect('(')?;
                    if self.word("`self`")? != "self" {
                        self.at -= 1;
                        return Err(self.unexpected("`self`"));
                    }
                    self.expect(',')?;
                    let name = self.text()?;
                    self.expect(')')?;
                    Expr::Own(name)
                }
                _ => Expr::Name(word),
            },
            Token::Int(n) => Expr::Int(n),
            Token::Float(x) => Expr::Float(x),
            Token::Text(text) => Expr::Text(text),
            Token::Sign('-') => match self.operand()? {
                Expr::Int(n) => Expr::Int(-n),
                Expr::Float(x) => Expr::Float(-x),
                other => Expr::Call(Box::new(Expr::Name("Neg".into())), vec![other], vec![]),
            },
            Token::Sign('(') => {
                let within = self.sum()?;
                self.expect(')')?;
                within
            }
            Token::Sign('[') => Expr::List(self.listed(']', Reader::sum)?),
            Token::Sign('{') => {
                let entries = self.listed('}', |reader| {
                    let port = reader.text()?;
                    reader.expect(':')?;
                    Ok((port, reader.sum()?))
                })?;
                Expr::Ports(entries.into_iter().collect())
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected("a value"));
            }
        })
    }

    fn call(&mut self, callee: Expr) -> Result<Expr, Error> {
        let arguments = self.listed(')', |reader| {
            let named = matches!(
                reader.tokens[reader.at..],
                [(Token::Word(_), _), (Token::Sign('='), _), ..]
            );
            let name = match named {
                true => Some(reader.word("a name")?),
                false => None,
            };
            reader.at += usize::from(named);
            Ok((name, reader.sum()?))
        })?;
        let (mut inputs, mut attributes) = (vec![], vec![]);
        for (name, value) in arguments {
            match name {
                Some(name) => attributes.push((name, value)),
                None if attributes.is_empty() => inputs.push(value),
                None => return Err(self.unexpected("attributes behind all inputs")),
            }
        }
        Ok(Expr::Call(Box::new(callee), inputs, attributes))
    }

    /// What stands between commas up to a bracket.
    fn listed<T>(
        &mut self,
        end: char,
        mut each: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut list = vec![];
        while !self.takes(&Token::Sign(end)) {
            list.push(each(self)?);
            if !self.takes(&Token::Sign(',')) {
                self.expect(end)?;
                break;
            }
        }
        Ok(list)
    }

    fn word(&mut self, expected: &str) -> Result<String, Error> {
        let Token::Word(word) = self.peek().clone() else {
            return Err(self.unexpected(expected));
        };
        self.at += 1;
        Ok(word)
    }

    fn text(&mut self) -> Result<String, Error> {
        let Token::Text(text) = self.peek().clone() else {
            return Err(self.unexpected("a text in `\"`"));
        };
        self.at += 1;
        Ok(text)
    }

    fn expect(&mut self, sign: char) -> Result<(), Error> {
        match self.takes(&Token::Sign(sign)) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    fn takes(&mut self, token: &Token) -> bool {
        let there = self.peek() == token;
        self.at += usize::from(there);
        there
    }

    /// The next token; the last is never passed.
    fn peek(&self) -> &Token {
        let last = self.tokens.len() - 1;
        &self.tokens[self.at.min(last)].0
    }

    fn line(&self) -> usize {
        let last = self.tokens.len() - 1;
        self.tokens[self.at.min(last)].1
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = match self.peek() {
            Token::Word(word) => word.clone(),
            Token::Int(n) => n.to_string(),
            Token::Float(x) => x.to_string(),
            Token::Text(text) => format!("\"{text}\""),
            Token::Sign(sign) => sign.to_string(),
            Token::End | Token::Eof => "the end of the line".into(),
        };
        unread(self.line(), &found, expected)
    }
}

fn infix(operator: &str, left: Expr, right: Expr) -> Expr {
    Expr::Call(
        Box::new(Expr::Name(operator.into())),
        vec![left, right],
        vec![],
    )
}

fn unread(line: usize, found: &str, expected: &str) -> Error {
    Error::new(format!("line {line} cannot be read"))
        .found(format!("`{found}`"))
        .expected(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_bind_as_in_python() {
        let check = |short: &str, long: &str| assert_eq!(parse(short), parse(long), "{short}");
        check("return a + b * c", "return Add(a, Mul(b, c))");
        check("return (a + b) @ c", "return MatMul(Add(a, b), c)");
        check("return a - b - c", "return Sub(Sub(a, b), c)");
        check("return -a * b", "return Mul(Neg(a), b)");
        check(
            "return getattr(self, \"0\").weight",
            "return getattr(self, \"0.weight\")",
        );
        check(
            "y = f(\n    x,  # so\n)\nreturn y",
            "y = f(x)\n# so\n\nreturn y",
        );
    }

    #[test]
    fn numbers_are_whole_or_not() {
        let check = |text: &str, value: Expr| {
            let body = parse(&format!("return {text}")).expect(text);
            assert_eq!(body[0].value, value, "{text}");
        };
        check("3", Expr::Int(3));
        check("-3", Expr::Int(-3));
        check("3.0", Expr::Float(3.0));
        check("1e-5", Expr::Float(1e-5));
        check("-3.0e38", Expr::Float(-3.0e38));
    }

    #[test]
    fn what_cannot_be_read_is_shown() {
        let check = |body: &str, line: usize, found: &str, expected: &str| {
            let error = parse(body).expect_err(body);
            assert_eq!(error, unread(line, found, expected), "{body}");
        };
        let name = "a name for what the line makes, or `return`";
        check("return", 1, "the end of the line", "a value");
        check("return Relu(x", 1, "the end of the line", "`)`");
        check("y = x\nreturn y z", 2, "z", "the end of the line");
        check("3 = x", 1, "3", name);
        check("y x", 1, "x", "`=`");
        check("return 3x", 1, "3x", "a number");
        check(
            "return x ? y",
            1,
            "?",
            "a name, a number, a text or an operator",
        );
        check("return y[0]", 1, "0", "a text in `\"`");
        check(
            "return f(a=1, x)",
            1,
            "the end of the line",
            "attributes behind all inputs",
        );
        check("return getattr(other, \"x\")", 1, "other", "`self`");
        check("return \"x", 1, "\"x", "a text that ends in `\"`");
        check("return {x: y}", 1, "x", "a text in `\"`");
    }
}
