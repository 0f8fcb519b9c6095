//! The table that `fly tokens list` prints, among what else may stand on standard output.
//!
//! Each cell is filled up with blanks and ends with a tab, nothing is wrapped or cut off, and the first line of the table has the columns'
//! names. The names of tokens are chosen by whoever may make tokens for the app, tabs and line breaks included: a line that has to do with the
//! name that is looked for, and does not read as one row and no other way, is a reason to stop.

/// One token, as it is listed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// What `fly tokens revoke` takes.
    pub(crate) id: String,
    /// Whether it has been revoked.
    pub(crate) is_revoked: bool,
}

/// Why a table does not tell how a token is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unclear {
    /// There is no table, or more than one, or one without the columns `ID` and `Name`.
    NoTable,
    /// A line with the name in it is no row.
    NoRow,
    /// Its id is not one that can be handed on.
    BadId,
    /// So many tokens have this very name.
    Several(usize),
}

/// The token that is called `name`, if it is listed.
pub(crate) fn find(stdout: &[u8], name: &str) -> Result<Option<Listed>, Unclear> {
    let text = String::from_utf8_lossy(stdout);
    let mut lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let columns = lines.find_map(Columns::in_heading).ok_or(Unclear::NoTable)?;
    let mut found = Vec::new();
    for line in lines {
        if Columns::in_heading(line).is_some() {
            return Err(Unclear::NoTable);
        }
        if line.contains(name) {
            let cells = columns.cells(line).ok_or(Unclear::NoRow)?;
            if cells[columns.name] == name {
                found.push(columns.listed(&cells)?);
            }
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        several => Err(Unclear::Several(several)),
    }
}

/// Where in a row is what.
struct Columns {
    count: usize,
    id: usize,
    name: usize,
    /// Older versions of `fly` do not tell.
    revoked_at: Option<usize>,
}

impl Columns {
    fn in_heading(line: &str) -> Option<Self> {
        let cells = split(line);
        let column = |title: &str| {
            let mut places = cells.iter().enumerate().filter(|(_, cell)| cell.eq_ignore_ascii_case(title)).map(|(place, _)| place);
            places.next().filter(|_| places.next().is_none())
        };
        let (id, name) = (column("ID")?, column("NAME")?);
        // What stands there may mean something else than none.
        let twice = cells.iter().filter(|cell| cell.eq_ignore_ascii_case(REVOKED_AT)).count() > 1;
        (!twice).then(|| Self { count: cells.len(), id, name, revoked_at: column(REVOKED_AT) })
    }

    /// The cells of a row; none if it has another number of them than the heading, or characters that no cell of ours has.
    fn cells<'l>(&self, line: &'l str) -> Option<Vec<&'l str>> {
        let cells = split(line);
        let is_plain = cells.iter().all(|cell| !cell.contains(char::is_control) && !cell.contains('\u{fffd}'));
        (cells.len() == self.count && is_plain).then_some(cells)
    }

    fn listed(&self, cells: &[&str]) -> Result<Listed, Unclear> {
        let id = cells[self.id];
        let is_id = (1..=LONGEST_ID).contains(&id.len())
            && !id.starts_with('-')
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_id {
            return Err(Unclear::BadId);
        }
        Ok(Listed { id: id.to_owned(), is_revoked: self.revoked_at.is_some_and(|column| is_moment(cells[column])) })
    }
}

/// The cells of a line. Each ends with a tab, but for the last of a heading.
fn split(line: &str) -> Vec<&str> {
    let mut cells: Vec<&str> = line.split('\t').map(|cell| cell.trim_matches(' ')).collect();
    if line.contains('\t') && cells.last().is_some_and(|cell| cell.is_empty()) {
        cells.pop();
    }
    cells
}

/// Whether this is a time such as `2026-11-26 10:00:00 +0000 UTC`. An empty cell is none, nor is whatever else may say that there is none:
/// `<nil>`, `-`, or the year 1, with which Go's times begin.
fn is_moment(cell: &str) -> bool {
    let form = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let is_date_and_time = cell.bytes().map(form).take(DATE_AND_TIME.len()).eq(DATE_AND_TIME.bytes());
    is_date_and_time && cell.starts_with('2')
}

const REVOKED_AT: &str = "REVOKED AT";
const DATE_AND_TIME: &str = "0000-00-00 00:00:00";

/// What the host hands on as an argument.
const LONGEST_ID: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "flytoken-web-deploy-00c0ffee0000";
    const HEADING: &str = "ID    \tNAME                            \tCREATED BY \tEXPIRES AT                   \tREVOKED AT ";
    const EXPIRES: &str = "2026-11-27 10:00:00 +0000 UTC";

    fn row(id: &str, name: &str, revoked_at: &str) -> String {
        format!("{id:6}\t{name:32}\ta@acme.com \t{EXPIRES}\t{revoked_at:29}\t\n")
    }

    fn table(rows: &[String]) -> String {
        format!("Tokens for app \"web\":\n{HEADING}\n{}\n", rows.concat())
    }

    fn token(id: &str, is_revoked: bool) -> Listed {
        Listed { id: id.to_owned(), is_revoked }
    }

    fn check(what: &str, stdout: &str, expected: &Result<Option<Listed>, Unclear>) {
        assert_eq!(&find(stdout.as_bytes(), NAME), expected, "{what}: {stdout}");
    }

    #[test]
    fn a_token_is_found_by_its_whole_name_among_others() {
        let other = || row("other", "flytoken-web-deploy-00c0ffee0001", "");
        let longer = || row("longer", &format!("{NAME}-b"), "");
        let mine = || row("mine", NAME, "");
        for (what, stdout, expected) in [
            ("alone", table(&[mine()]), Some(token("mine", false))),
            ("among others", table(&[other(), longer(), mine(), row("third", &format!("a {NAME}"), EXPIRES)]), Some(token("mine", false))),
            ("revoked", table(&[mine().replace(&" ".repeat(29), "2026-11-26 10:00:00 +0000 UTC")]), Some(token("mine", true))),
            ("not there", table(&[other(), longer()]), None),
            ("nothing there", table(&[]), None),
            ("CR and LF", table(&[mine()]).replace('\n', "\r\n"), Some(token("mine", false))),
            ("notices around it", format!("WARN slow {NAME}\n{}Update available\n", table(&[mine()])), Some(token("mine", false))),
            ("an older fly", format!("ID\tNAME\tEXPIRES AT \nmine\t{NAME}\t{EXPIRES}\t\n"), Some(token("mine", false))),
            ("other columns", format!("NAME\tREVOKED AT\tID\n{NAME}\t{EXPIRES}\tmine\t\n"), Some(token("mine", true))),
            ("a wide neighbour", table(&[row("wide", &"x".repeat(5_000), ""), mine()]), Some(token("mine", false))),
            ("an id of every kind", table(&[row("aZ0-_", NAME, "")]), Some(token("aZ0-_", false))),
        ] {
            check(what, &stdout, &Ok(expected));
        }
    }

    #[test]
    fn what_is_not_a_time_is_no_revocation() {
        for cell in ["<nil>", "-", "no", "never", "0001-01-01 00:00:00 +0000 UTC", "2026", "2026-11-26", "x2026-11-26 10:00:00"] {
            check(cell, &table(&[row("mine", NAME, cell)]), &Ok(Some(token("mine", false))));
        }
    }

    #[test]
    fn whatever_could_be_read_in_two_ways_is_unclear() {
        let mine = || row("mine", NAME, "");
        for (what, stdout, expected) in [
            ("nothing", String::new(), Unclear::NoTable),
            ("garbage", "\u{0}\u{1}garbage\n".repeat(100), Unclear::NoTable),
            ("an error", "Error: no\n".to_owned(), Unclear::NoTable),
            ("a row without heading", mine(), Unclear::NoTable),
            ("no column of ids", format!("NAME\tREVOKED AT\n{NAME}\t\t\n"), Unclear::NoTable),
            ("two columns of ids", format!("ID\tID\tNAME\nmine\tother\t{NAME}\t\n"), Unclear::NoTable),
            ("two columns of revocations", format!("ID\tNAME\tREVOKED AT\tREVOKED AT\nmine\t{NAME}\t{EXPIRES}\t\t\n"), Unclear::NoTable),
            ("two tables", table(&[]) + &table(&[mine()]), Unclear::NoTable),
            ("two rows", table(&[mine(), row("other", NAME, "")]), Unclear::Several(2)),
            ("the same row twice", table(&[mine(), mine()]), Unclear::Several(2)),
            ("three rows, two revoked", table(&[row("a", NAME, EXPIRES), mine(), row("b", NAME, EXPIRES)]), Unclear::Several(3)),
            ("an id that is an option", table(&[row("-all", NAME, "")]), Unclear::BadId),
            ("an id of two words", table(&[row("a b", NAME, "")]), Unclear::BadId),
            ("no id", table(&[row("", NAME, "")]), Unclear::BadId),
            ("a long id", table(&[row(&"a".repeat(65), NAME, "")]), Unclear::BadId),
            ("a line break in another's name", table(&[row("other", "x", ""), row("", NAME, "")]), Unclear::BadId),
            ("a line break and tabs in another's name", table(&[row("other", &format!("x\n\t{NAME}\ta\tb"), "")]), Unclear::NoRow),
            ("a tab in another's name", table(&[row("other", &format!("x\t{NAME}"), "")]), Unclear::NoRow),
            ("a name cut in the middle", table(&[mine().replace('\t', " ")]), Unclear::NoRow),
            ("an escape sequence", table(&[row("mine", &format!("{NAME}\u{1b}[2K"), "")]), Unclear::NoRow),
            ("a carriage return", table(&[row("mine", &format!("x\r{NAME}"), "")]), Unclear::NoRow),
        ] {
            check(what, &stdout, &Err(expected));
        }
        assert_eq!(find(&[table(&[]).as_bytes(), b"\xff\xfe\t", mine().as_bytes()].concat(), NAME), Err(Unclear::NoRow));
    }
}
