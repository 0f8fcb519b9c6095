use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::*;
use crate::{
    app::AppName,
    commands::top::{keys::Key, state::Next},
    kind::Kind,
    lease::Expiry,
    protocol::{
        AppStatus, ConfigStatus, Event, FailureCode, LeaseFacts, LeaseState, LoginStatus, MintsStatus, Reply, Request, Resources,
        SourceStatus, Status, StorageStatus, Trouble, TroubleKind, UnservedStatus,
    },
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000); // 22:13:20 UTC

fn app(name: &str, kind: Kind, state: LeaseState, left: Duration) -> AppStatus {
    AppStatus {
        lease: LeaseFacts {
            app: AppName::parse(name).unwrap(),
            kind,
            source: "cli".into(),
            expiry: Expiry::At(NOW.after(left)),
            obtained: NOW.after(left).before(Duration::from_hours(24)),
            fingerprint: "0123456789abcdef".parse().unwrap(),
        },
        state,
        last_error: None,
        trouble: None,
    }
}

fn source(name: &str, calls: u64) -> SourceStatus {
    SourceStatus {
        name: name.into(),
        component: format!("builtin:{name}"),
        sha256: Some("ab".into()),
        unpinned: false,
        disabled: false,
        calls,
        failures: 0,
        p50_us: (calls > 0).then_some(812_000),
        p99_us: (calls > 0).then_some(2_100_000),
        memory: None,
        problem: None,
        open_until: None,
    }
}

fn event(what: &str, seconds: u64, failure: Option<FailureCode>) -> Event {
    Event {
        at: NOW.before(Duration::from_secs(seconds)),
        what: what.into(),
        app: Some(AppName::parse("web").unwrap()),
        kind: Some(Kind::Deploy),
        source: Some("cli".into()).filter(|_| what != "invalidate"),
        failure,
        micros: Some(812_000).filter(|_| what != "invalidate"),
        times: if failure.is_some() { 3 } else { 1 },
    }
}

fn status() -> Status {
    let trouble = Some(Trouble { what: TroubleKind::BackedOff, source: "cli".into(), until: Some(NOW.after(Duration::from_secs(30))) });
    Status {
        version: "0.1.0".into(),
        pid: 7,
        agent: true,
        system: false,
        started: NOW.before(Duration::from_hours(3)),
        storage: StorageStatus { durable: true, directory: None, key: None, problem: None },
        login: LoginStatus { present: true, origin: "/h/.fly/config.yml".into(), generation: None, problem: None },
        config: ConfigStatus { files: Vec::new(), problem: None },
        policy: None,
        http: Vec::new(),
        chain: vec!["cli".into()],
        strict: false,
        sources: vec![source("manual", 0), source("cli", 12), SourceStatus { failures: 2, ..source("vault", 3) }],
        apps: vec![
            AppStatus { trouble, ..app("web", Kind::Deploy, LeaseState::Ending, Duration::from_secs(50)) },
            app("web", Kind::Readonly, LeaseState::Fresh, Duration::from_hours(23)),
        ],
        unserved: vec![UnservedStatus {
            app: AppName::parse("api").unwrap(),
            kind: Kind::Readonly,
            trouble: None,
            // A source may say anything.
            last_error: "vault: \u{1b}[2Jgot fm2_canary\u{202e}".into(),
            failed: NOW.before(Duration::from_secs(5)),
        }],
        apps_left_out: 0,
        resting: Vec::new(),
        resting_left_out: 0,
        resources: Resources { leases: 2, ..Resources::default() },
        mints: Some(MintsStatus { charged: Some(15), budget: 60 }),
        events: vec![event("invalidate", 2, None), event("renew", 5, None), event("resolve", 90, Some(FailureCode::NeedsHuman))],
    }
}

fn view(colours: bool) -> View {
    View { moments: Moments::at(NOW, TimeZone::UTC), colours, typed: Typed::default() }
}

fn drawn(top: &Top, columns: u16, rows: u16, colours: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let draw = |frame: &mut Frame<'_>| {
        view(colours).draw(frame, top);
    };
    terminal.draw(draw).unwrap();
    terminal
}

fn seen(top: &Top, columns: u16, rows: u16) -> String {
    let terminal = drawn(top, columns, rows, true);
    let buffer = terminal.backend().buffer();
    let line = |row| (0..columns).map(|column| buffer[(column, row)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..rows).map(line).collect()
}

fn many(count: usize) -> Status {
    let apps = (0..count).map(|number| app(&format!("app-{number:03}"), Kind::Readonly, LeaseState::Fresh, Duration::from_hours(9)));
    Status { apps: apps.collect(), unserved: Vec::new(), ..status() }
}

#[test]
fn each_size_shows_what_fits() {
    let top = Top::new(status());
    for (columns, rows, expected) in [(100, 24, WIDE), (60, 14, NARROW), (40, 10, SMALL), (12, 2, TINY)] {
        assert_eq!(seen(&top, columns, rows), expected, "{columns} x {rows}");
    }
}

#[test]
fn no_size_is_too_small() {
    for mut top in [Top::new(status()), Top::new(many(400)), Top::new(many(0))] {
        for over in [Over::Nothing, Over::Help, Over::Text { title: "t".repeat(200), text: "x\n".repeat(99), from: usize::MAX }] {
            top.over = over;
            for (columns, rows) in (0..45).flat_map(|columns| (0..20).map(move |rows| (columns, rows))) {
                drawn(&top, columns, rows, true);
            }
        }
    }
}

#[test]
fn hundreds_of_apps_are_seen_page_by_page() {
    let mut top = Top::new(many(400));
    for (key, first, last, selected) in [
        (Key::Up, "app-000", "app-004", "app-000"),
        (Key::Down, "app-000", "app-004", "app-001"),
        (Key::PageDown, "app-005", "app-009", "app-006"),
        (Key::Last, "app-395", "app-399", "app-399"),
        (Key::Down, "app-395", "app-399", "app-399"),
        (Key::PageUp, "app-390", "app-394", "app-394"),
        (Key::First, "app-000", "app-004", "app-000"),
    ] {
        top.obey(key, Drawn { page: 5, last: 0 });
        let screen = seen(&top, 60, 10);
        let shown: Vec<&str> = screen.split_whitespace().filter(|word| word.starts_with("app-")).collect();
        assert_eq!((shown.first(), shown.last()), (Some(&first), Some(&last)), "{key:?}\n{screen}");
        assert!(screen.contains(&format!("> {selected}")), "{key:?}\n{screen}");
    }
}

#[test]
fn without_colours_there_are_none_and_with_them_what_is_wrong_is_red() {
    let styles = |colours| {
        let terminal = drawn(&Top::new(status()), 100, 24, colours);
        let cells = terminal.backend().buffer().content.clone();
        cells.into_iter().map(|cell| (cell.fg, cell.bg, cell.modifier)).collect::<std::collections::HashSet<_>>()
    };
    assert_eq!(styles(false).len(), 1);
    assert!(styles(true).iter().any(|(colour, ..)| *colour == Color::Red));
}

#[test]
fn the_selection_stays_with_its_app() {
    let mut top = Top::new(status());
    top.obey(Key::Down, Drawn::default());
    assert!(seen(&top, 60, 14).contains("> web readonly"), "{}", seen(&top, 60, 14));
    let with_another = Status { unserved: Vec::new(), ..status() };
    top.look(Ok(Some(Reply::Status(Box::new(with_another)))));
    assert!(seen(&top, 60, 14).contains("> web readonly"), "what was above it is gone");
    top.look(Ok(Some(Reply::Status(Box::new(many(0))))));
    top.obey(Key::Explain, Drawn::default());
    assert!(seen(&top, 60, 14).contains("No token is cached. Ask for one: `flytoken get APP`"));
}

#[test]
fn an_agent_that_is_gone_is_told_over_what_was_known() {
    let mut top = Top::new(status());
    top.look(Ok(None));
    let screen = seen(&top, 100, 24);
    assert!(screen.starts_with("flytoken top  as it was: no agent answers; start one: `flytoken agent`\n"), "{screen}");
    assert!(screen.contains("web"), "{screen}");
    top.look(Ok(Some(Reply::Status(Box::new(status())))));
    assert_eq!(seen(&top, 100, 24), WIDE);
}

#[test]
fn nothing_is_invalidated_without_a_yes() {
    for (answer, is_meant) in [(Key::Yes, true), (Key::Back, false), (Key::Invalidate, false), (Key::Other, false)] {
        let mut top = Top::new(status());
        top.obey(Key::Last, Drawn::default());
        assert!(matches!(top.obey(Key::Invalidate, Drawn::default()), Next::GoOn));
        assert!(seen(&top, 100, 24).contains(" invalidate web deploy? "), "{}", seen(&top, 100, 24));
        let next = top.obey(answer, Drawn::default());
        assert_eq!(matches!(next, Next::Ask(Request::Invalidate { kind: Some(_), fingerprint: None, .. })), is_meant, "{next:?}");
        assert_eq!(top.over, Over::Nothing);
    }
}

#[test]
fn one_thing_is_done_at_a_time() {
    let mut top = Top::new(status());
    assert!(matches!(top.obey(Key::Refresh, Drawn::default()), Next::Ask(Request::Refresh { .. })));
    assert!(matches!(top.obey(Key::Explain, Drawn::default()), Next::GoOn));
    assert!(seen(&top, 60, 14).contains("refresh of api readonly is not done yet"));
    top.done(Ok(Some(Reply::Refreshed { leases: Vec::new() })), &view(false));
    assert!(matches!(top.obey(Key::Explain, Drawn::default()), Next::Ask(Request::Explain { resolve: false, .. })));
}

const WIDE: &str = "\
flytoken top  agent 7, 0.1.0, up 3 h, logged in
tokens  2, 1 fresh, 1 ending, 1 without
mints   █████░░░░░░░░░░░░░░░ 15 of 60 in the last hour

   APP  KIND      SOURCE  STATE     LEFT                 NOTE
>  api  readonly  -       no token  -                    5 s ago: vault: \\u{1b}[2Jgot fm2_…\\u{202e}
   web  readonly  cli     fresh     ██████████ 23 h
   web  deploy    cli     ending    █░░░░░░░░░ 50 s      cli backs off, again in 30 s

SOURCE  CALLS    FAILURES  MEDIAN   P99      STATE
cli     12       0         812 ms   2 s      loaded
vault   3        2         812 ms   2 s      loaded
manual  0        0         -        -        loaded

WHEN         APP         WHAT HAPPENED
2 s ago      web deploy  invalidated
5 s ago      web deploy  renewed by cli in 812 ms
90 s ago     web deploy  resolve failed: needs-human (cli), 3 times





e explain  r refresh  i invalidate  ? keys  q quit
";

const NARROW: &str = "\
flytoken top  agent 7, 0.1.0, up 3 h, logged in
tokens  2, 1 fresh, 1 ending, 1 without
mints   █████░░░░░░░░░░░░░░░ 15 of 60 in the last hour

  APP KIND     STATE    LEFT
> api readonly no token -
  web readonly fresh    ██████████ 23 h
  web deploy   ending   █░░░░░░░░░ 50 s

SOURCE CALLS   FAILURES MEDIAN  P99     STATE
cli    12      0        812 ms  2 s     loaded
vault  3       2        812 ms  2 s     loaded
manual 0       0        -       -       loaded
e explain  r refresh  i invalidate  ? keys  q quit
";

const SMALL: &str = "\
agent 7, 0.1.0, up 3 h, logged in
tokens  2, 1 fresh, 1 ending, 1 without
mints   ██░░░ 15 of 60 in the last hour
  APP KIND     STATE    LEFT
> api readonly no token -
  web readonly fresh    23 h
  web deploy   ending   50 s


e explain  r refresh  i invalidate  ? ke
";

const TINY: &str = "  AP KI S LE\n> ap re n -\n";
