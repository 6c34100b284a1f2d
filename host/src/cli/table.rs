//! How commands hand a table out: to a file, or to standard output.

use std::path::PathBuf;

use pleach::frame::{Format, Frame};
use plugin_api_data::Json;

use super::{Failure, print, print_json};

/// Writes a table to a file and names it, or prints it as CSV or JSON; with JSON, `about` is said beside the file.
pub(super) fn show(
    table: &Frame,
    to: Option<(PathBuf, Format)>,
    mut about: Json,
    json: bool,
) -> Result<(), Failure> {
    let Some((file, format)) = to else {
        match json {
            true => print_json(&table.to_json())?,
            false => print(table.to_csv()?.trim_end_matches('\n')),
        }
        return Ok(());
    };
    table.write(&file, format)?;
    if json {
        about["rows"] = table.rows().into();
        about["file"] = file.display().to_string().into();
        return print_json(&about);
    }
    print(&file.display().to_string());
    Ok(())
}
