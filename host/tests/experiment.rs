//! What an experiment means, and what is said of one that means nothing.

use expect_test::{Expect, expect};
use pleach::cards::Catalog;
use pleach::experiment::{Source, read};
use plugin_api_data::{Arch, Card, Named, PluginCard};
use serde_json::{Value, json};

fn card(role: &str, name: &str, schema: Value) -> Card {
    Card {
        role: role.into(),
        name: name.into(),
        doc: format!("The {name}."),
        schema,
        exempt: Named::new(),
    }
}

fn nested(role: &str) -> Value {
    json!({ "type": ["object", "string"], "x-role": role })
}

fn catalog() -> Catalog {
    let plain = json!({ "type": "object", "properties": {} });
    let components = vec![
        card("task", "digits-graph", plain.clone()),
        card("strategy", "random", plain.clone()),
        card(
            "strategy",
            "prescreen",
            json!({ "type": "object", "required": ["inner", "scorer"], "properties": {
                "inner": { "$ref": "#/$defs/Strategy" },
                "scorer": nested("scorer"),
                "of": { "type": "integer", "minimum": 1, "default": 10 },
            }, "$defs": { "Strategy": nested("strategy") } }),
        ),
        card("scorer", "grad-norm", plain.clone()),
        card(
            "space",
            "gnn",
            json!({ "type": "object", "properties": {
                "depth": { "type": "integer", "minimum": 1, "maximum": 8, "default": 2 },
                "layers": { "type": "array", "minItems": 1, "items": nested("layer"), "default": ["baselines/gat"] },
            } }),
        ),
        card(
            "layer",
            "gat",
            json!({ "type": "object", "properties": {
                "heads": { "type": "integer", "minimum": 1, "default": 4 },
                "reduce": { "anyOf": [{ "enum": ["mean", "sum"] }, { "type": "null" }], "default": null },
            } }),
        ),
        card(
            "trainer",
            "backprop",
            json!({ "type": "object", "properties": {
                "epochs": { "type": "integer", "minimum": 1, "default": 10 },
                "transforms": { "type": "array", "items": nested("transform"), "default": ["baselines/adam"] },
            } }),
        ),
        card(
            "transform",
            "adam",
            json!({ "type": "object", "properties": { "rate": { "type": "number", "exclusiveMinimum": 0, "default": 0.001 } } }),
        ),
        card("pruner", "magnitude", plain.clone()),
        card("relaxation", "softmax", plain.clone()),
        card("analysis", "learning-curves", plain),
        card(
            "hypernet",
            "mlp",
            json!({ "type": "object", "required": ["hidden"], "properties": { "hidden": { "type": "integer" } } }),
        ),
    ];
    Catalog::of([PluginCard {
        name: "baselines".into(),
        version: "0.1.0".into(),
        description: "Baselines.".into(),
        licence: "MIT".into(),
        paper: String::new(),
        components,
        claims: Named::new(),
    }])
}

const TRAIN: &str =
    "\n[[stage]]\ntrain = \"baselines/backprop\"\narch = { use = \"baselines/gnn\", point = {} }\n";

fn outcome(toml: &str) -> String {
    let source = Source {
        path: "e.toml".into(),
        text: toml.into(),
    };
    match read(&source, &catalog()) {
        Ok(experiment) => experiment.to_toml().unwrap(),
        Err(refused) => refused.render(false),
    }
}

fn check(toml: &str, expected: Expect) {
    expected.assert_eq(&outcome(toml));
}

/// An experiment of which only the top is in question.
fn check_top(toml: &str, expected: Expect) {
    check(&format!("{toml}{TRAIN}"), expected);
}

/// An experiment of which only one stage is in question.
fn check_stage(toml: &str, expected: Expect) {
    check(
        &format!("task = \"baselines/digits-graph\"\n[[stage]]\n{toml}"),
        expected,
    );
}

const WHOLE: &str = r#"
task = "baselines/digits-graph"
seeds = 3
limits = { seconds = 600, memory = "4 GiB" }

[[stage]]
name = "found"
search = { use = "baselines/prescreen", inner = "baselines/random", scorer = { use = "baselines/grad-norm" } }
space = { use = "baselines/gnn", layers = ["baselines/gat", { use = "baselines/gat", heads = { decide = "heads" } }] }
each = [{ train = { use = "baselines/backprop", epochs = 20 } }]
budget = 20
ahead = 4

[[stage]]
train = { use = "baselines/backprop", transforms = [{ use = "baselines/adam", rate = 1e-2 }] }

[[stage]]
prune = "baselines/magnitude"
sparsity = 0.9

[[stage]]
from = "found"
generate = { use = "baselines/mlp", hidden = 64 }

[[stage]]
train = "baselines/backprop"
arch = { use = "baselines/gnn", depth = 3, point = { kind = "mean", size = 3, rate = 0.1 } }
"#;

#[test]
fn whole() {
    check(
        WHOLE,
        expect![[r#"
            seed = 0
            seeds = 3
            threads = 1
            checkpoint = 60.0
            keep = "all"

            [task]
            use = "baselines/digits-graph"

            [limits]
            seconds = 600.0
            memory = 4294967296

            [[stage]]
            name = "found"
            budget = 20
            ahead = 4
            batch = 1
            equal = "evaluate"

            [stage.search]
            use = "baselines/prescreen"
            of = 10

            [stage.search.inner]
            use = "baselines/random"

            [stage.search.scorer]
            use = "baselines/grad-norm"

            [stage.space]
            use = "baselines/gnn"
            depth = 2

            [[stage.space.layers]]
            use = "baselines/gat"
            heads = 4

            [[stage.space.layers]]
            use = "baselines/gat"

            [stage.space.layers.heads]
            decide = "heads"

            [[stage.each]]

            [stage.each.train]
            use = "baselines/backprop"
            epochs = 20

            [[stage.each.train.transforms]]
            use = "baselines/adam"
            rate = 0.001

            [[stage]]
            name = "train-2"
            from = "found"

            [stage.train]
            use = "baselines/backprop"
            epochs = 10

            [[stage.train.transforms]]
            use = "baselines/adam"
            rate = 0.01

            [[stage]]
            name = "prune-3"
            from = "train-2"
            sparsity = 0.9
            scope = "global"

            [stage.prune]
            use = "baselines/magnitude"

            [[stage]]
            name = "generate-4"
            from = "found"
            target = "model"

            [stage.generate]
            use = "baselines/mlp"
            hidden = 64

            [[stage]]
            name = "train-5"

            [stage.arch]
            use = "baselines/gnn"
            depth = 3

            [[stage.arch.layers]]
            use = "baselines/gat"
            heads = 4

            [stage.arch.point]
            kind = "mean"
            size = 3
            rate = 0.1

            [stage.train]
            use = "baselines/backprop"
            epochs = 10

            [[stage.train.transforms]]
            use = "baselines/adam"
            rate = 0.001
        "#]],
    );
}

#[test]
fn resolved_reads_as_itself() {
    let once = outcome(WHOLE);
    assert_eq!(once, outcome(&once));
}

#[test]
fn keys() {
    check_top(
        "task = \"baselines/digits-graph\"\nsede = 1",
        expect![[r#"
        error: an experiment has no key `sede`
         --> e.toml:2:1
          |
        2 | sede = 1
          | ^^^^
          |
          = help: did you mean `seed`?"#]],
    );
    check_top(
        "task = \"baselines/digits-graph\"\nlimits = { second = 1, memory = \"much\" }",
        expect![[r#"
            error: `limits` has no key `second`
             --> e.toml:2:12
              |
            2 | limits = { second = 1, memory = "much" }
              |            ^^^^^^
              |
              = help: did you mean `seconds`?

            error: `memory` must be an amount
             --> e.toml:2:33
              |
            2 | limits = { second = 1, memory = "much" }
              |                                 ^^^^^^ found "much"
              |
              = help: write it like "4 GiB""#]],
    );
    check_stage(
        "train = \"baselines/backprop\"\narch = { use = \"baselines/gnn\", point = {} }\nsparsity = 0.5",
        expect![[r#"
            error: a train stage has no key `sparsity`
             --> e.toml:5:1
              |
            5 | sparsity = 0.5
              | ^^^^^^^^
              |
              = help: it belongs to a prune stage"#]],
    );
    check_stage(
        "train = { use = \"baselines/backprop\", epoch = 5 }\narch = { use = \"baselines/gnn\", point = {} }",
        expect![[r#"
            error: `baselines/backprop` has no key `epoch`
             --> e.toml:3:39
              |
            3 | train = { use = "baselines/backprop", epoch = 5 }
              |                                       ^^^^^
              |
              = help: did you mean `epochs`?"#]],
    );
}

#[test]
fn values() {
    check_top(
        "task = \"baselines/digits-graph\"\nseeds = \"three\"",
        expect![[r#"
            error: `seeds` must be a whole number from 1 to 10000
             --> e.toml:2:9
              |
            2 | seeds = "three"
              |         ^^^^^^^ found a string"#]],
    );
    check_top(
        "task = \"baselines/digits-graph\"\nseeds = 0",
        expect![[r#"
            error: `seeds` must be a whole number from 1 to 10000
             --> e.toml:2:9
              |
            2 | seeds = 0
              |         ^ found 0"#]],
    );
    check_stage(
        "search = \"baselines/random\"\nspace = { use = \"baselines/gnn\", depth = 9 }\nbudget = 1",
        expect![[r#"
            error: `depth` of `baselines/gnn` must be at most 8
             --> e.toml:4:42
              |
            4 | space = { use = "baselines/gnn", depth = 9 }
              |                                          ^ found 9"#]],
    );
    check_stage(
        "search = \"baselines/random\"\nspace = { use = \"baselines/gnn\", depth = \"deep\" }\nbudget = 1",
        expect![[r#"
            error: `depth` of `baselines/gnn` must be a whole number
             --> e.toml:4:42
              |
            4 | space = { use = "baselines/gnn", depth = "deep" }
              |                                          ^^^^^^ found "deep""#]],
    );
    check_stage(
        "search = \"baselines/random\"\nspace = { use = \"baselines/gnn\", depth = { decide = \"d\" } }\nbudget = 1",
        expect![[r#"
            error: a search decides only parameters of the layers in its `space`
             --> e.toml:4:42
              |
            4 | space = { use = "baselines/gnn", depth = { decide = "d" } }
              |                                          ^^^^^^^^^^^^^^^^
              |
              = help: give it a value here"#]],
    );
    check_stage(
        "search = \"baselines/random\"\nspace = { use = \"baselines/gnn\", layers = [{ use = \"baselines/gat\", reduce = \"maen\", heads = 0 }] }\nbudget = 1",
        expect![[r#"
            error: `reduce` of `baselines/gat` must be one of "mean", "sum"
             --> e.toml:4:78
              |
            4 | space = { use = "baselines/gnn", layers = [{ use = "baselines/gat", reduce = "maen", heads = 0 }] }
              |                                                                              ^^^^^^ found "maen"
              |
              = help: did you mean "mean"?

            error: `heads` of `baselines/gat` must be at least 1
             --> e.toml:4:94
              |
            4 | space = { use = "baselines/gnn", layers = [{ use = "baselines/gat", reduce = "maen", heads = 0 }] }
              |                                                                                              ^ found 0"#]],
    );
}

#[test]
fn components() {
    check_top(
        "task = \"baselines/digit-graph\"",
        expect![[r#"
        error: no component is named `baselines/digit-graph`
         --> e.toml:1:8
          |
        1 | task = "baselines/digit-graph"
          |        ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: did you mean `baselines/digits-graph`?"#]],
    );
    check_top(
        "task = \"baslines/digits-graph\"",
        expect![[r#"
        error: no component is named `baslines/digits-graph`
         --> e.toml:1:8
          |
        1 | task = "baslines/digits-graph"
          |        ^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: did you mean `baselines/digits-graph`?"#]],
    );
    check_top(
        "task = 3",
        expect![[r#"
        error: a task is expected here
         --> e.toml:1:8
          |
        1 | task = 3
          |        ^
          |
          = help: write it as { use = "plugin/component" }, with its parameters beside `use`"#]],
    );
    check_stage(
        "search = \"baselines/adam\"\nspace = \"baselines/gnn\"\nbudget = 1",
        expect![[r#"
            error: `baselines/adam` is a transform; here a strategy is needed
             --> e.toml:3:10
              |
            3 | search = "baselines/adam"
              |          ^^^^^^^^^^^^^^^^
              |
              = help: `pleach components --role strategy` shows what fits"#]],
    );
    check_stage(
        "generate = \"baselines/mlp\"\narch = { use = \"baselines/gnn\", point = {} }",
        expect![[r#"
            error: `baselines/mlp` needs `hidden`
             --> e.toml:3:12
              |
            3 | generate = "baselines/mlp"
              |            ^^^^^^^^^^^^^^^
              |
              = help: `pleach describe baselines/mlp` shows its parameters"#]],
    );
}

#[test]
fn stages() {
    check(
        "task = \"baselines/digits-graph\"",
        expect![[r#"
            error: an experiment needs a stage
             --> e.toml:1:1
              |
            1 | task = "baselines/digits-graph"
              | ^
              |
              = help: begin each with [[stage]]"#]],
    );
    check_stage(
        "name = \"empty\"",
        expect![[r#"
            error: a stage needs one of `search`, `train`, `prune`, `cut`, `generate`, `score`, `each`, `arms`, `analyse`
             --> e.toml:2:1
              |
            2 | [[stage]]
              | ^^^^^^^^^"#]],
    );
    check_stage(
        "train = \"baselines/backprop\"",
        expect![[r#"
        error: the first stage, `train-1`, has no subject
         --> e.toml:2:1
          |
        2 | [[stage]]
          | ^^^^^^^^^
          |
          = help: begin with a search, or give it `arch = "file.json"` or `arch = { use = SPACE, point = {…} }`"#]],
    );
    check_stage(
        "train = \"baselines/backprop\"\nfrom = \"later\"",
        expect![[r#"
            error: no stage before this one is named `later`
             --> e.toml:4:8
              |
            4 | from = "later"
              |        ^^^^^^^"#]],
    );
    check_stage(
        "train = \"baselines/backprop\"\nprune = \"baselines/magnitude\"\nsparsity = 0.5",
        expect![[r#"
            error: a stage does one thing; this one has `train` and `prune`
             --> e.toml:4:1
              |
            4 | prune = "baselines/magnitude"
              | ^^^^^
              |
              = help: make a stage of each"#]],
    );
    check_stage(
        "prune = \"baselines/magnitude\"\narch = \"none.json\"\nsparsity = 1",
        expect![[r#"
            error: the architecture `none.json` cannot be used
             --> e.toml:4:8
              |
            4 | arch = "none.json"
              |        ^^^^^^^^^^^ it cannot be read: No such file or directory (os error 2)

            error: `sparsity` must be at least 0 and less than 1
             --> e.toml:5:12
              |
            5 | sparsity = 1
              |            ^ found 1"#]],
    );
}

#[test]
fn relaxations_and_analyses() {
    check_stage(
        "search = 'baselines/softmax'\nspace = 'baselines/gnn'\nsteps = 30\n[[stage]]\nname = 'found'\ntrain = 'baselines/backprop'\n[[stage]]\nanalyse = 'baselines/learning-curves'\nsubjects = ['found', 'search-1']\n[[stage]]\nanalyse = 'baselines/learning-curves'",
        expect![[r#"
            seed = 0
            seeds = 1
            threads = 1
            checkpoint = 60.0
            keep = "all"

            [task]
            use = "baselines/digits-graph"

            [limits]
            seconds = 3600.0
            memory = 8589934592

            [[stage]]
            name = "search-1"
            steps = 30

            [stage.search]
            use = "baselines/softmax"

            [stage.space]
            use = "baselines/gnn"
            depth = 2

            [[stage.space.layers]]
            use = "baselines/gat"
            heads = 4

            [[stage]]
            name = "found"
            from = "search-1"

            [stage.train]
            use = "baselines/backprop"
            epochs = 10

            [[stage.train.transforms]]
            use = "baselines/adam"
            rate = 0.001

            [[stage]]
            name = "analyse-3"
            subjects = ["found", "search-1"]

            [stage.analyse]
            use = "baselines/learning-curves"

            [[stage]]
            name = "analyse-4"
            subjects = ["analyse-3"]

            [stage.analyse]
            use = "baselines/learning-curves"
        "#]],
    );
    check_stage(
        "search = 'baselines/softmax'\nspace = 'baselines/gnn'\nbudget = 30\neach = []",
        expect![[r#"
            error: a search by relaxation needs `steps`
             --> e.toml:2:1
              |
            2 | [[stage]]
              | ^^^^^^^^^

            error: `budget` means nothing here: a relaxation takes `steps`
             --> e.toml:5:1
              |
            5 | budget = 30
              | ^^^^^^

            error: `each` means nothing here: a relaxation takes `steps`
             --> e.toml:6:1
              |
            6 | each = []
              | ^^^^"#]],
    );
    check_stage(
        "search = 'baselines/random'\nspace = 'baselines/gnn'\nbudget = 12\n\
         mix = [{ at = 9, drop = ['a'] }, { at = 2, add = { b = 'baselines/random' } }]",
        expect![[r#"
            seed = 0
            seeds = 1
            threads = 1
            checkpoint = 60.0
            keep = "all"

            [task]
            use = "baselines/digits-graph"

            [limits]
            seconds = 3600.0
            memory = 8589934592

            [[stage]]
            name = "search-1"
            budget = 12
            ahead = 1
            batch = 1
            equal = "evaluate"

            [stage.search]
            use = "baselines/random"

            [stage.space]
            use = "baselines/gnn"
            depth = 2

            [[stage.space.layers]]
            use = "baselines/gat"
            heads = 4

            [[stage.mix]]
            at = 2

            [stage.mix.add.b]
            use = "baselines/random"

            [[stage.mix]]
            at = 9
            drop = ["a"]
        "#]],
    );
    check_stage(
        "search = 'baselines/random'\nspace = 'baselines/gnn'\nbudget = 3\n\
         mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]",
        expect![[r#"
            error: `at` must be a whole number from 0 to 1000000
             --> e.toml:6:15
              |
            6 | mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]
              |               ^^ found -1

            error: an entry of mix has no key `ad`
             --> e.toml:6:19
              |
            6 | mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]
              |                   ^^
              |
              = help: did you mean `add`?

            error: an entry of mix needs `at`
             --> e.toml:6:30
              |
            6 | mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]
              |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            error: `baselines/gnn` is a space; here a strategy is needed
             --> e.toml:6:44
              |
            6 | mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]
              |                                            ^^^^^^^^^^^^^^^
              |
              = help: `pleach components --role strategy` shows what fits

            error: `drop` must be an array
             --> e.toml:6:82
              |
            6 | mix = [{ at = -1, ad = {} }, { add = { b = 'baselines/gnn' } }, { at = 1, drop = 'a' }]
              |                                                                                  ^^^ found a string"#]],
    );
    check_stage(
        "search = 'baselines/random'\nspace = 'baselines/gnn'\nsteps = 30\nbudget = 3",
        expect![[r#"
            error: `steps` means nothing here: a strategy takes a `budget` of trials
             --> e.toml:5:1
              |
            5 | steps = 30
              | ^^^^^"#]],
    );
    check_stage(
        "analyse = 'baselines/learning-curves'",
        expect![[r#"
        error: an analysis looks at what an earlier stage has made
         --> e.toml:2:1
          |
        2 | [[stage]]
          | ^^^^^^^^^"#]],
    );
    check_stage(
        "name = 'found'\narch = { use = 'baselines/gnn', point = {} }\ntrain = 'baselines/backprop'\n[[stage]]\nanalyse = 'baselines/learning-curves'\nsubjects = ['fond']\nfrom = 'found'",
        expect![[r#"
            error: no stage before this one is named `fond`
             --> e.toml:8:13
              |
            8 | subjects = ['fond']
              |             ^^^^^^
              |
              = help: there is `found`

            error: an analyse stage has no key `from`
             --> e.toml:9:1
              |
            9 | from = 'found'
              | ^^^^
              |
              = help: it has `name`, `analyse`, `subjects`"#]],
    );
}

#[test]
fn arms() {
    let of = |stage: &str| {
        let found = "name = \"found\"\nsearch = \"baselines/random\"\nspace = \"baselines/gnn\"\n";
        outcome(&format!(
            "task = \"baselines/digits-graph\"\nseeds = 2\n[[stage]]\n{found}budget = 2\n[[stage]]\n{stage}"
        ))
    };
    // Each with its own steps; the subject is that of the stage, or of the arm.
    let whole = of(r#"
name = "rates"
arms.plain = { train = "baselines/backprop" }
arms.pruned = { each = [{ train = { use = "baselines/backprop", epochs = 5 } }, { prune = "baselines/magnitude", sparsity = 0.5 }, { cut = "masked" }] }
arms.shallow = { arch = { use = "baselines/gnn", point = { depth = 1 } }, score = "baselines/grad-norm" }

[[stage]]
analyse = "baselines/learning-curves"

[[stage]]
from = "rates.pruned"
train = "baselines/backprop"

[[stage]]
analyse = "baselines/learning-curves"
subjects = ["found", "rates"]
"#);
    expect![[r#"
        seed = 0
        seeds = 2
        threads = 1
        checkpoint = 60.0
        keep = "all"

        [task]
        use = "baselines/digits-graph"

        [limits]
        seconds = 3600.0
        memory = 8589934592

        [[stage]]
        name = "found"
        budget = 2
        ahead = 1
        batch = 1
        equal = "evaluate"

        [stage.search]
        use = "baselines/random"

        [stage.space]
        use = "baselines/gnn"
        depth = 2

        [[stage.space.layers]]
        use = "baselines/gat"
        heads = 4

        [[stage]]
        name = "rates"

        [stage.arms.plain]
        from = "found"

        [stage.arms.plain.train]
        use = "baselines/backprop"
        epochs = 10

        [[stage.arms.plain.train.transforms]]
        use = "baselines/adam"
        rate = 0.001

        [stage.arms.pruned]
        from = "found"

        [[stage.arms.pruned.each]]

        [stage.arms.pruned.each.train]
        use = "baselines/backprop"
        epochs = 5

        [[stage.arms.pruned.each.train.transforms]]
        use = "baselines/adam"
        rate = 0.001

        [[stage.arms.pruned.each]]
        sparsity = 0.5
        scope = "global"

        [stage.arms.pruned.each.prune]
        use = "baselines/magnitude"

        [[stage.arms.pruned.each]]
        cut = "masked"

        [stage.arms.shallow.arch]
        use = "baselines/gnn"
        depth = 2

        [[stage.arms.shallow.arch.layers]]
        use = "baselines/gat"
        heads = 4

        [stage.arms.shallow.arch.point]
        depth = 1

        [stage.arms.shallow.score]
        use = "baselines/grad-norm"

        [[stage]]
        name = "analyse-3"
        subjects = ["rates.plain", "rates.pruned", "rates.shallow"]

        [stage.analyse]
        use = "baselines/learning-curves"

        [[stage]]
        name = "train-4"
        from = "rates.pruned"

        [stage.train]
        use = "baselines/backprop"
        epochs = 10

        [[stage.train.transforms]]
        use = "baselines/adam"
        rate = 0.001

        [[stage]]
        name = "analyse-5"
        subjects = ["found", "rates.plain", "rates.pruned", "rates.shallow"]

        [stage.analyse]
        use = "baselines/learning-curves"
    "#]]
    .assert_eq(&whole);
    assert_eq!(outcome(&whole), whole);
    let wrong = of(r#"
name = "rates"
arms.A = { train = "baselines/backprop" }
arms.both = { train = "baselines/backprop", score = "baselines/grad-norm" }
arms.none = { from = "nobody" }
arms.search = { search = "baselines/random" }
arms.word = "baselines/backprop"
arms.empty = { each = [] }

[[stage]]
train = "baselines/backprop"

[[stage]]
from = "rates"
train = "baselines/backprop"

[[stage]]
name = "rates"
arms = {}
"#);
    expect![[r#"
        error: an arm's name is made of a-z, 0-9 and `-`
          --> e.toml:11:6
           |
        11 | arms.A = { train = "baselines/backprop" }
           |      ^

        error: an arm does one thing; this one has `train` and `score`
          --> e.toml:12:45
           |
        12 | arms.both = { train = "baselines/backprop", score = "baselines/grad-norm" }
           |                                             ^^^^^
           |
           = help: make an arm of each

        error: an arm needs one of `train`, `prune`, `cut`, `generate`, `score`, `each`
          --> e.toml:13:13
           |
        13 | arms.none = { from = "nobody" }
           |             ^^^^^^^^^^^^^^^^^^^

        error: an arm needs one of `train`, `prune`, `cut`, `generate`, `score`, `each`
          --> e.toml:14:15
           |
        14 | arms.search = { search = "baselines/random" }
           |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

        error: `word` must be a table
          --> e.toml:15:13
           |
        15 | arms.word = "baselines/backprop"
           |             ^^^^^^^^^^^^^^^^^^^^ found a string

        error: a stage needs one step or more
          --> e.toml:16:23
           |
        16 | arms.empty = { each = [] }
           |                       ^^

        error: the stage `rates` has several arms
          --> e.toml:18:1
           |
        18 | [[stage]]
           | ^^^^^^^^^
           |
           = help: name one: `rates.A`, `rates.both`, `rates.none`, `rates.search`, `rates.word`, `rates.empty`

        error: the stage `rates` has several arms
          --> e.toml:22:8
           |
        22 | from = "rates"
           |        ^^^^^^^
           |
           = help: name one: `rates.A`, `rates.both`, `rates.none`, `rates.search`, `rates.word`, `rates.empty`

        error: two stages are named `rates`
          --> e.toml:26:8
           |
        26 | name = "rates"
           |        ^^^^^^^

        error: a comparison needs an arm
          --> e.toml:27:8
           |
        27 | arms = {}
           |        ^^
           |
           = help: write it as arms.NAME = { train = … }, with `from` or `arch` where it has a subject of its own"#]].assert_eq(&wrong);
}

#[test]
fn budgets() {
    let search = |budget: &str| {
        outcome(&format!(
            "task = \"baselines/digits-graph\"\n[[stage]]\nsearch = \"baselines/random\"\nspace = \"baselines/gnn\"\n{budget}"
        ))
    };
    let whole = search(
        "equal = \"reuse\"\nbudget = { trials = 9, \"train.epochs\" = 400, parameters = 1e9 }",
    );
    expect![[r#"
        seed = 0
        seeds = 1
        threads = 1
        checkpoint = 60.0
        keep = "all"

        [task]
        use = "baselines/digits-graph"

        [limits]
        seconds = 3600.0
        memory = 8589934592

        [[stage]]
        name = "search-1"
        ahead = 1
        batch = 1
        equal = "reuse"

        [stage.search]
        use = "baselines/random"

        [stage.space]
        use = "baselines/gnn"
        depth = 2

        [[stage.space.layers]]
        use = "baselines/gat"
        heads = 4

        [stage.budget]
        trials = 9
        "train.epochs" = 400.0
        parameters = 1000000000.0
    "#]]
    .assert_eq(&whole);
    assert_eq!(outcome(&whole), whole);
    expect![[r#"
        error: `equal` must be "evaluate", "reuse" or "forbid"
         --> e.toml:5:9
          |
        5 | equal = "twice"
          |         ^^^^^^^

        error: a budget needs `trials`
         --> e.toml:6:10
          |
        6 | budget = { epochs = -1 }
          |          ^^^^^^^^^^^^^^^

        error: `epochs` must be more than 0
         --> e.toml:6:21
          |
        6 | budget = { epochs = -1 }
          |                     ^^ found -1"#]]
    .assert_eq(&search("equal = \"twice\"\nbudget = { epochs = -1 }"));
    expect![[r#"
        error: `trials` must be a whole number from 1 to 1000000
         --> e.toml:5:21
          |
        5 | budget = { trials = 0, "train.epochs" = "many" }
          |                     ^ found 0

        error: `train.epochs` must be more than 0
         --> e.toml:5:41
          |
        5 | budget = { trials = 0, "train.epochs" = "many" }
          |                                         ^^^^^^ found a string"#]]
    .assert_eq(&search(
        "budget = { trials = 0, \"train.epochs\" = \"many\" }",
    ));
}

/// Files of one's own and of another run.
#[test]
fn networks_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let arch = serde_json::to_string(&Arch::new(Named::new())).unwrap();
    let header = |metadata: Value| {
        let header = json!({ "__metadata__": metadata }).to_string();
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()
    };
    let saved = header(json!({ "arch": arch }));
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    write("net.json", arch.as_bytes());
    write("net.safetensors", &saved);
    write("bare.safetensors", &header(json!({})));
    write("cut.safetensors", &saved[..saved.len() - 3]);
    write("runs/first-1/experiment.toml", b"");
    write("runs/first-1/arch/found.json", arch.as_bytes());
    write("runs/first-1/weights/tuned-s0.safetensors", &saved);
    write("runs/first-1/weights/tuned-s1.safetensors", &saved);
    let of = |origin: &str| {
        let text = format!(
            "task = \"baselines/digits-graph\"\nseeds = 2\n[[stage]]\ntrain = \"baselines/backprop\"\n{origin}"
        );
        let path = folder.path().join("e.toml");
        let said = match read(&Source { path, text }, &catalog()) {
            Ok(experiment) => experiment.to_toml().unwrap(),
            Err(refused) => refused.render(false),
        };
        let resolved = said
            .lines()
            .filter(|line| line.starts_with("arch") || line.starts_with("weights"));
        let said = match said.starts_with("error") {
            true => said.clone(),
            false => resolved.collect::<Vec<_>>().join("\n"),
        };
        said.replace(&format!("{}/", folder.path().display()), "")
    };
    for (origin, expected) in [
        ("arch = \"net.safetensors\"", "arch = \"net.safetensors\""),
        (
            "arch = [\"net.safetensors\", \"net.safetensors\"]",
            "arch = [\"net.safetensors\", \"net.safetensors\"]",
        ),
        (
            "arch = \"net.json\"\nweights = \"bare.safetensors\"",
            "arch = \"net.json\"\nweights = \"bare.safetensors\"",
        ),
        (
            "from = { run = \"runs/first-1\", stage = \"found\" }",
            "arch = \"runs/first-1/arch/found.json\"",
        ),
        (
            "from = { run = \"runs/first-1\", stage = \"tuned\" }",
            "arch = [\"runs/first-1/weights/tuned-s0.safetensors\", \"runs/first-1/weights/tuned-s1.safetensors\"]",
        ),
        (
            "from = { run = \"runs/first-1\", stage = \"tuned\", seed = 1 }",
            "arch = \"runs/first-1/weights/tuned-s1.safetensors\"",
        ),
    ] {
        assert_eq!(of(origin), expected, "{origin}");
    }
    let wrong = [
        "arch = \"bare.safetensors\"",
        "arch = \"cut.safetensors\"",
        "arch = \"none.safetensors\"",
        "arch = [\"net.safetensors\"]",
        "arch = \"net.safetensors\"\nweights = \"net.safetensors\"",
        "arch = \"net.json\"\nweights = \"none.safetensors\"",
        "weights = \"net.safetensors\"",
        "from = { run = \"runs/second-1\", stage = \"found\" }",
        "from = { run = \"runs/first-1\", stage = \"fuond\" }",
        "from = { run = \"runs/first-1\", stage = \"tuned\", seed = 2 }",
        "from = { runs = \"runs/first-1\" }",
    ];
    let said: Vec<String> = wrong.iter().map(|origin| of(origin)).collect();
    expect![[r#"
        error: the architecture `bare.safetensors` cannot be used
         --> e.toml:5:8
          |
        5 | arch = "bare.safetensors"
          |        ^^^^^^^^^^^^^^^^^^ it holds no architecture: give the architecture by `arch` and this file by `weights`

        error: the architecture `cut.safetensors` cannot be used
         --> e.toml:5:8
          |
        5 | arch = "cut.safetensors"
          |        ^^^^^^^^^^^^^^^^^ it is no safetensors file: EOF while parsing a string at line 1 column 82

        error: the architecture `none.safetensors` cannot be used
         --> e.toml:5:8
          |
        5 | arch = "none.safetensors"
          |        ^^^^^^^^^^^^^^^^^^ it cannot be read: No such file or directory (os error 2)

        error: `arch` needs a file for each of 2 seeds
         --> e.toml:5:8
          |
        5 | arch = ["net.safetensors"]
          |        ^^^^^^^^^^^^^^^^^^^ found 1

        error: `weights` belong to an architecture in a JSON file
         --> e.toml:6:11
          |
        6 | weights = "net.safetensors"
          |           ^^^^^^^^^^^^^^^^^

        error: there is no file `none.safetensors`
         --> e.toml:6:11
          |
        6 | weights = "none.safetensors"
          |           ^^^^^^^^^^^^^^^^^^

        error: `weights` are those of an `arch`
         --> e.toml:5:11
          |
        5 | weights = "net.safetensors"
          |           ^^^^^^^^^^^^^^^^^
          |
          = help: a stage of another run is `from = { run = …, stage = … }`

        error: `runs/second-1` is not the folder of a run
         --> e.toml:5:16
          |
        5 | from = { run = "runs/second-1", stage = "found" }
          |                ^^^^^^^^^^^^^^^
          |
          = help: write it as seen from the folder of this file, such as "runs/first-1"

        error: the run `runs/first-1` has no network of stage `fuond`, seed 0
         --> e.toml:5:8
          |
        5 | from = { run = "runs/first-1", stage = "fuond" }
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: it has tuned-s0, tuned-s1

        error: the run `runs/first-1` has no network of stage `tuned`, seed 2
         --> e.toml:5:8
          |
        5 | from = { run = "runs/first-1", stage = "tuned", seed = 2 }
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = help: it has tuned-s0, tuned-s1

        error: another run's stage needs `run`
         --> e.toml:5:8
          |
        5 | from = { runs = "runs/first-1" }
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^

        error: another run's stage needs `stage`
         --> e.toml:5:8
          |
        5 | from = { runs = "runs/first-1" }
          |        ^^^^^^^^^^^^^^^^^^^^^^^^^

        error: another run's stage has no key `runs`
         --> e.toml:5:10
          |
        5 | from = { runs = "runs/first-1" }
          |          ^^^^
          |
          = help: did you mean `run`?"#]].assert_eq(&said.join("\n\n"));
}

#[test]
fn all_at_once() {
    check(
        r#"
task = "baselines/digits"
seed = -1

[[stage]]
search = "baselines/random"
space = { use = "baselines/gnn", layers = ["baselines/gta"] }
each = [{ prune = "baselines/magnitude" }]

[[stage]]
train = { use = "baselines/backprop", epochs = 1.5 }
"#,
        expect![[r#"
            error: no component is named `baselines/digits`
             --> e.toml:2:8
              |
            2 | task = "baselines/digits"
              |        ^^^^^^^^^^^^^^^^^^
              |
              = help: did you mean `baselines/digits-graph`?

            error: `seed` must be a whole number from 0 to 4611686018427387904
             --> e.toml:3:8
              |
            3 | seed = -1
              |        ^^ found -1

            error: a search needs `budget`
             --> e.toml:5:1
              |
            5 | [[stage]]
              | ^^^^^^^^^

            error: no component is named `baselines/gta`
             --> e.toml:7:44
              |
            7 | space = { use = "baselines/gnn", layers = ["baselines/gta"] }
              |                                            ^^^^^^^^^^^^^^^
              |
              = help: did you mean `baselines/gat`?

            error: a prune needs `sparsity`
             --> e.toml:8:9
              |
            8 | each = [{ prune = "baselines/magnitude" }]
              |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^

            error: `epochs` of `baselines/backprop` must be a whole number
              --> e.toml:11:48
               |
            11 | train = { use = "baselines/backprop", epochs = 1.5 }
               |                                                ^^^ found 1.5"#]],
    );
}

#[test]
fn syntax() {
    check(
        "task = \"baselines/digits-graph\nseeds = 3",
        expect![[r#"
        error: invalid basic string, expected `"`
         --> e.toml:1:31
          |
        1 | task = "baselines/digits-graph
          |                               ^"#]],
    );
    check(
        "task = \"baselines/digits-graph\"\nseeds = 1\nseeds = 2\n[[stage]\n",
        expect![[r#"
            error: duplicate key
             --> e.toml:3:1
              |
            3 | seeds = 2
              | ^^^^^

            error: unclosed array table, expected `]`
             --> e.toml:4:9
              |
            4 | [[stage]
              |         ^"#]],
    );
}
