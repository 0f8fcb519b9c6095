//! Many callers at once, through the socket: each app's owner asks once for all of them, and nobody waits who need not.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use flytoken::{
    app::AppName,
    kind::Kind,
    protocol::{Answer, Incoming, MAX_ANSWER, Outgoing, Reply, Request, Wish, decode_answer, encode_request},
};

use crate::harness::{Agent, Bundle, Home, eventually, minted, user_token};

const DAY: Duration = Duration::from_hours(24);

/// A client that sends without waiting for answers.
struct Client {
    stream: UnixStream,
    incoming: Incoming,
}

impl Client {
    fn of(agent: &Agent) -> Self {
        let stream = UnixStream::connect(&agent.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { stream, incoming: Incoming::new(MAX_ANSWER) }
    }

    /// Asks so many times for a token of `app`.
    fn send(&mut self, app: &str, times: u64) {
        let mut outgoing = Outgoing::default();
        for id in 1..=times {
            encode_request(&mut outgoing, id, &get(app)).unwrap();
        }
        self.stream.write_all(outgoing.unsent()).unwrap();
    }

    fn receive(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.incoming.next(decode_answer).unwrap() {
                return answer.unwrap().1;
            }
            let count = self.stream.read(self.incoming.room()).unwrap();
            assert!(count > 0, "the agent hung up");
            self.incoming.received(count);
        }
    }
}

fn get(app: &str) -> Request {
    Request::Get { app: AppName::parse(app).unwrap(), kind: Kind::Readonly, wish: Wish::default() }
}

/// The answers of a thousand callers on the cold app `web`, all of whom asked before `fly` was let go.
fn herd(home: &Home, fly: &crate::harness::Fly, connections: usize) -> Vec<Answer> {
    fly.hold("web");
    let agent = home.agent();
    let mut clients: Vec<Client> = (0..connections).map(|_| Client::of(&agent)).collect();
    let each = 1000 / connections;
    for client in &mut clients {
        client.send("web", each.try_into().unwrap());
    }
    fly.called(1);
    fly.let_go("web");
    let answers = clients.iter_mut().flat_map(|client| (0..each).map(|_| client.receive()).collect::<Vec<_>>()).collect();
    agent.stop();
    answers
}

/// Connections, and callers on each: hardly pipelined, and hardly anything else.
const FORMATIONS: [usize; 2] = [250, 4];

#[test]
fn a_thousand_callers_on_one_cold_app_start_one_process() {
    for connections in FORMATIONS {
        let (home, fly) = Home::logged_in(&user_token());
        let mint = minted(1, DAY);
        fly.mints("web", std::slice::from_ref(&mint));
        let answers = herd(&home, &fly, connections);
        assert_eq!(answers.len(), 1000);
        for answer in answers {
            let Ok(Reply::Token(delivered)) = answer else { panic!("{answer:?}") };
            assert!(Bundle::of(delivered.token.expose()).is_from(&mint));
        }
        assert_eq!(fly.calls().len(), 1, "{connections} connections");
    }
}

#[test]
fn a_thousand_callers_share_one_failure_of_one_process() {
    for connections in FORMATIONS {
        let (home, fly) = Home::logged_in(&user_token());
        fly.says("while [ -e $notes/web.held ]; do sleep 0.02; done; echo 'Error: upstream number '$$ >&2; exit 1");
        let answers = herd(&home, &fly, connections);
        let said = |answer: Answer| {
            let failure = answer.expect_err("fly fails");
            failure.steps.into_iter().find(|step| step.source == "cli").unwrap().text
        };
        let mut texts: Vec<String> = answers.into_iter().map(said).collect();
        assert_eq!(texts.len(), 1000);
        texts.dedup();
        assert!(texts.len() == 1 && texts[0].contains("upstream number"), "{texts:?}");
        assert_eq!(fly.calls().len(), 1, "{connections} connections");
    }
}

#[test]
fn a_slow_app_delays_no_other_app() {
    let (home, fly) = Home::logged_in(&user_token());
    for (id, app) in (1..).zip(["slow", "web"]) {
        fly.mints(app, &[minted(id, DAY)]);
    }
    fly.hold("slow");
    let agent = home.agent();
    let mut waiting = Client::of(&agent);
    waiting.send("slow", 1);
    fly.called(1);
    assert_eq!(Bundle::of(&home.run(&["get", "web"]).token()).app(), Some(2));
    fly.let_go("slow");
    assert!(waiting.receive().is_ok());
}

#[test]
fn control_requests_are_answered_while_a_source_is_slow() {
    let (home, fly) = Home::logged_in(&user_token());
    fly.mints("web", &[minted(1, DAY)]);
    fly.hold("web");
    let agent = home.agent();
    let mut waiting = Client::of(&agent);
    waiting.send("web", 1);
    fly.called(1);
    // None of these could be answered if it waited for `fly`, which is not let go.
    home.run_with(&["set", "web", "--agent", "require"], &minted(1, DAY)).ends_with(0);
    for control in [&["status"][..], &["invalidate", "web"], &["explain", "web"], &["unset", "web"]] {
        home.run(&[control, &["--agent", "require"]].concat()).ends_with(0);
    }
    fly.let_go("web");
    assert!(waiting.receive().is_ok());
}

#[test]
fn a_caller_that_hangs_up_loses_nothing() {
    let (home, fly) = Home::logged_in(&user_token());
    let mint = minted(1, DAY);
    fly.mints("web", std::slice::from_ref(&mint));
    fly.hold("web");
    let agent = home.agent();
    let mut leaving = Client::of(&agent);
    leaving.send("web", 1);
    fly.called(1);
    drop(leaving);
    fly.let_go("web");
    eventually("the mint", || (home.run(&["status", "--json"]).json()["apps"].as_array()?.len() == 1).then_some(()));
    agent.stop();
    // The next agent finds it in storage.
    let _agent = home.agent();
    assert!(Bundle::of(&home.run(&["get", "web"]).token()).is_from(&mint));
    assert_eq!(fly.calls().len(), 1);
}
