//! The pictures of README.md, made from what the real program prints at a terminal: `just pictures` makes them anew, and the tests here
//! keep them true.

#![cfg(target_os = "linux")]

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crate::{
    doctor::ago,
    harness::{Home, Terminal, minted, user_token},
    readme::document,
};

/// One picture: its name, and the command whose output it shows.
const PICTURES: [(&str, &str); 5] = [
    ("top", "flytoken top"),
    ("explain", "flytoken explain web --resolve"),
    ("status", "flytoken status"),
    ("doctor", "flytoken doctor"),
    ("error", "flytoken get legacy"),
];

#[test]
fn each_picture_shows_what_the_program_prints() {
    let (home, fly) = Home::logged_in(&user_token());
    if Terminal::run(&home, (80, 20), "true").is_none() {
        return println!("not shown: there is no `script` here");
    }
    // However old the login of other tests is by now.
    home.write_login(&format!("access_token: {}\nlast_login: {}\n", user_token(), ago(Duration::from_hours(24))));
    for app in ["web", "api"] {
        fly.mints(app, &[minted(123, Duration::from_hours(24)), minted(123, Duration::from_hours(24))]);
    }
    let _agent = home.agent();
    for app in ["web", "api"] {
        home.run(&["get", app, "--kind", "deploy"]).ends_with(0);
    }
    home.run(&["get", "legacy"]).ends_with(3);
    for (name, command) in PICTURES {
        let shown = if name == "top" { watched(&home, command) } else { at_a_terminal(&home, command) };
        assert!(shown.contains('\x1b'), "{name} has no colours: {shown}");
        let picture = picture(command, &shown);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures").join(format!("{name}.svg"));
        #[expect(clippy::disallowed_methods, reason = "it is for whoever changed what is printed")]
        if std::env::var_os("FLYTOKEN_WRITE_DOCS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &picture).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(lasting(&kept), lasting(&picture), "docs/pictures/{name}.svg shows something else: run `just pictures`");
    }
}

#[test]
fn each_picture_is_in_the_readme_with_words_for_who_cannot_see_it() {
    let readme = document("README.md");
    for (name, _) in PICTURES {
        let link = format!("](docs/pictures/{name}.svg)");
        let words = readme.split(&link).next().filter(|before| before.len() < readme.len()).and_then(|before| before.rsplit("![").next());
        assert!(words.is_some_and(|words| words.len() > 20), "{name} is not in README.md, or has no words");
    }
}

#[test]
fn a_picture_has_the_text_its_colours_and_nothing_that_would_be_markup() {
    let picture = picture("x", "a\x1b[1mb<c>\x1b[0m\n\x1b[32mok\x1b[0m & \x1b[2mso\x1b[0m\r\n");
    assert!(picture.contains("<tspan class=\"bold\">b&lt;c&gt;</tspan>"), "{picture}");
    assert!(picture.contains("<tspan class=\"green\">ok</tspan> &amp; <tspan class=\"faint\">so</tspan>"), "{picture}");
    assert!(!picture.contains('\x1b') && !picture.contains('\r'), "{picture}");
    // What differs from day to day is left out of what has to be the same; words are not.
    assert_eq!(lasting("<text y=\"7\">process 12 took 3 ms</text>"), lasting("<text y=\"7\">process 345 took 6 µs</text>"));
    assert_ne!(lasting("<text>web cli</text>"), lasting("<text>web config</text>"));
    assert_ne!(lasting("<text><tspan class=\"red\">fail</tspan></text>"), lasting("<text><tspan class=\"green\">fail</tspan></text>"));
}

/// What a command prints at a terminal of a hundred columns, with the folder of this test called as somebody's home.
fn at_a_terminal(home: &Home, command: &str) -> String {
    let line = format!("TERM=xterm-256color script -qec 'stty cols 160; {command}' /dev/null");
    let shown = home.shell(&home.path(""), &line);
    let own = home.path("").display().to_string();
    let own = own.trim_end_matches('/');
    let around = Path::new(own).parent().unwrap().display().to_string();
    shown.replace(own, "/home/ada").replace(&format!("{around}/system"), "/etc/flytoken").replace(&around, "/home/ada")
}

/// What a command draws that takes the whole screen.
fn watched(home: &Home, command: &str) -> String {
    let mut terminal = Terminal::run(home, (100, 20), command).unwrap();
    terminal.shows("quit");
    let shown = terminal.painted();
    terminal.types("q");
    terminal.ends();
    shown
}

/// Draws what a terminal would show.
fn picture(command: &str, shown: &str) -> String {
    let prompt = format!("\x1b[2m$\x1b[0m \x1b[1m{command}\x1b[0m\n{}", shown.trim_end());
    let lines: Vec<&str> = prompt.lines().map(|line| line.trim_end_matches('\r')).collect();
    let columns = lines.iter().map(|line| plain(line).chars().count()).max().unwrap_or_default();
    let (width, height) = (columns * WIDTH_TENTHS / 10 + 2 * MARGIN, lines.len() * LINE + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\"/>\n"
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + LINE * number + LINE * 3 / 4;
        let _ = writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\" xml:space=\"preserve\">{}</text>", spans(line));
    }
    svg + "</svg>\n"
}

/// A line with its colours as parts of it.
fn spans(line: &str) -> String {
    let (mut svg, mut open) = (String::new(), false);
    for (number, part) in line.split('\x1b').enumerate() {
        let text = match part.split_once('m').filter(|_| number > 0) {
            None => part,
            Some((codes, text)) => {
                svg.push_str(if std::mem::take(&mut open) { "</tspan>" } else { "" });
                let classes: Vec<&str> = codes.trim_start_matches('[').split(';').filter_map(class).collect();
                if !classes.is_empty() {
                    open = true;
                    let _ = write!(svg, "<tspan class=\"{}\">", classes.join(" "));
                }
                text
            }
        };
        svg.push_str(&text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
    }
    svg.push_str(if open { "</tspan>" } else { "" });
    svg
}

/// What the style calls a code of a terminal; nothing for the end of all of them.
fn class(code: &str) -> Option<&'static str> {
    match code {
        "" | "0" => None,
        "1" => Some("bold"),
        "2" => Some("faint"),
        "31" => Some("red"),
        "32" => Some("green"),
        "33" => Some("yellow"),
        other => panic!("a picture does not know what `{other}` looks like"),
    }
}

fn plain(line: &str) -> String {
    let parts = line.split('\x1b').enumerate();
    parts.map(|(number, part)| part.split_once('m').filter(|_| number > 0).map_or(part, |(_, text)| text)).collect()
}

/// What of a picture is the same whenever it is made: its words and colours, without numbers, units, widths and places.
fn lasting(picture: &str) -> Vec<String> {
    // What an agent holds at the moment is different at the next.
    let lines = picture
        .lines()
        .filter(|line| line.starts_with("<text") && !line.contains(">holds<"))
        .map(|line| line.split_once('>').map_or("", |(_, rest)| rest));
    let lines: Vec<String> = lines.map(|line| line.replace("just now", "0 ms ago")).collect();
    let words = lines.iter().flat_map(|line| line.split_whitespace()).map(|word| {
        let bare = word.split('<').next().unwrap_or_default();
        let varies =
            bare.chars().any(|character| character.is_ascii_digit()) || ["ms", "µs", "s", "h", "min"].contains(&bare.trim_end_matches(','));
        if varies { "#".to_owned() } else { word.to_owned() }
    });
    let mut words: Vec<String> = words.collect();
    words.dedup_by(|next, before| next == "#" && before == "#");
    words
}

/// The size of a line, a column and the space around all, in pixels.
const LINE: usize = 20;
const WIDTH_TENTHS: usize = 84;
const MARGIN: usize = 16;

const STYLE: &str = "rect{fill:#1b1f27}text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#d7dae0}\
.bold{font-weight:bold;fill:#fff}.faint{fill:#8a919e}.red{fill:#ff7b72}.green{fill:#7ee787}.yellow{fill:#e3b341}";
