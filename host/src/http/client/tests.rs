use std::{collections::BTreeMap, io, net::IpAddr, sync::atomic::AtomicUsize, sync::atomic::Ordering};

use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::runtime::FilesFailure;

/// Leads every name to loopback, and counts how often it was asked.
#[derive(Default)]
struct Loopback(AtomicUsize);

impl Resolve for Loopback {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) })
    }
}

/// One file, that has another content each time.
#[derive(Default)]
struct Changing(AtomicUsize);

impl FilesAccess for Changing {
    fn read<'a>(&'a self, name: &'a str, form: FileForm) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, FilesFailure>> {
        assert_eq!(form, FileForm::Secret, "the host needs no more");
        let read = match name {
            "token" => Ok(Zeroizing::new(format!("canary-{}\n", self.0.fetch_add(1, Ordering::Relaxed)).into_bytes())),
            "lines" => Ok(Zeroizing::new(b"one\ntwo: three".to_vec())),
            _ => Err(FilesFailure::Absent),
        };
        Box::pin(async { read })
    }
}

fn grant(origin: &str, headers: &[(&str, HeaderValueFrom)]) -> HttpGrant {
    let headers: BTreeMap<_, _> = headers.iter().map(|(name, from)| ((*name).to_owned(), from.clone())).collect();
    HttpGrant { origin: Origin::parse(origin).unwrap(), private: true, ca: None, headers }
}

fn client(grants: Vec<HttpGrant>) -> (Client, Arc<Loopback>) {
    let resolver = Arc::new(Loopback::default());
    let login = Arc::new(ApiToken::new(Zeroizing::new("FlyV1 fm2_canary".to_owned())));
    (
        Client::new(
            grants,
            Some(Arc::new(Changing::default())),
            Some(login),
            Arc::clone(&resolver) as Arc<dyn Resolve>,
            Denials::default(),
        ),
        resolver,
    )
}

type Plain = http_body_util::combinators::MapErr<Full<Bytes>, fn(std::convert::Infallible) -> Failure>;

fn request(method: &str, uri: &str) -> Request<Plain> {
    let body = Full::new(Bytes::new()).map_err((|never| match never {}) as fn(std::convert::Infallible) -> Failure);
    Request::builder().method(method).uri(uri).body(body).unwrap()
}

const HASTE: Patience =
    Patience { connect: Duration::from_secs(10), first_byte: Duration::from_millis(200), between_bytes: Duration::from_secs(10) };

fn patience() -> Patience {
    Patience::new(None, None, None)
}

/// Answers each connection with these bytes, after it has read the request's head, and then closes it or holds it open; what it read
/// comes out of the channel.
async fn server(answer: Vec<u8>, closes: bool) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heads, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (heads, answer) = (heads.clone(), answer.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                heads.send(String::from_utf8(head).unwrap()).unwrap();
                // Who is told enough hangs up before it is all written.
                drop(stream.write_all(&answer).await);
                if !closes {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    (port, seen)
}

#[tokio::test]
async fn what_is_not_granted_or_no_ordinary_request_does_not_even_resolve_a_name() {
    let (client, resolver) = client(vec![grant("https://vault.example", &[("x-token", HeaderValueFrom::Login)])]);
    for (method, uri, denied) in [
        ("GET", "https://evil.example/", true),
        ("GET", "http://vault.example/", true),
        ("GET", "https://vault.example:8443/", true),
        ("GET", "https://vault.example.evil.example/", true),
        ("GET", "https://evil.example/https://vault.example", true),
        ("GET", "https://vault.example@evil.example/", false),
        ("GET", "https://vault.example./", false),
        ("GET", "/", false),
        ("CONNECT", "https://vault.example/", false),
        ("connect", "https://vault.example/", false),
        ("TRACE", "https://vault.example/", false),
    ] {
        let failure = client.send(request(method, uri), patience()).await.err();
        assert_eq!(failure == Some(Failure::Denied), denied, "{method} {uri}: {failure:?}");
        assert!(failure.is_some(), "{method} {uri}");
    }
    let mut own = request("GET", "https://vault.example/");
    own.headers_mut().insert("x_token", HeaderValue::from_static("mine"));
    assert_eq!(client.send(own, patience()).await.err(), Some(Failure::Denied));
    let mut hop = request("GET", "https://vault.example/");
    hop.headers_mut().insert("upgrade", HeaderValue::from_static("h2c"));
    assert!(matches!(client.send(hop, patience()).await.err(), Some(Failure::Invalid(_))));
    assert_eq!(resolver.0.load(Ordering::Relaxed), 0);
    assert_eq!(
        client.denials.first().unwrap().split_once("add to").unwrap().1,
        " the source's `grants.http`: `- { origin: \"https://evil.example\" }`"
    );
}

#[tokio::test]
async fn the_host_sets_what_it_reads_at_each_request_and_its_own_host() {
    let (port, mut seen) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), true).await;
    let headers = [("x-token", HeaderValueFrom::File("token".into())), ("authorization", HeaderValueFrom::Login)];
    let (client, resolver) = client(vec![grant(&format!("http://vault.example:{port}"), &headers)]);
    for number in 0..2 {
        let mut request = request("GET", &format!("http://VAULT.example:{port}/v1?x=y"));
        request.headers_mut().insert("host", HeaderValue::from_static("evil.example"));
        assert_eq!(client.send(request, patience()).await.unwrap().response.status(), 204);
        let head = seen.recv().await.unwrap();
        assert!(head.starts_with("GET /v1?x=y HTTP/1.1\r\n"), "{head}");
        for line in [&format!("host: vault.example:{port}"), &format!("x-token: canary-{number}"), "authorization: FlyV1 fm2_canary"] {
            assert!(head.contains(&format!("{line}\r\n")), "no {line} in {head}");
        }
        assert!(!head.contains("evil"), "{head}");
    }
    assert_eq!(resolver.0.load(Ordering::Relaxed), 2, "once a request");
    assert_eq!(client.written().len(), 4);
}

#[tokio::test]
async fn a_header_without_a_value_that_fits_is_no_request() {
    for (file, says) in [("missing", "not there"), ("lines", "not one line")] {
        let (client, resolver) = client(vec![grant("https://vault.example", &[("x-token", HeaderValueFrom::File(file.into()))])]);
        let failure = client.send(request("GET", "https://vault.example/"), patience()).await.err().unwrap();
        assert!(matches!(&failure, Failure::Header(text) if text.contains(says)), "{failure:?}");
        assert_eq!(resolver.0.load(Ordering::Relaxed), 0);
    }
    let nobody = Client::new(
        vec![grant("https://vault.example", &[("authorization", HeaderValueFrom::Login)])],
        None,
        None,
        Arc::new(Loopback::default()),
        Denials::default(),
    );
    let failure = nobody.send(request("GET", "https://vault.example/"), patience()).await.err();
    assert!(matches!(failure, Some(Failure::Header(text)) if text.contains("nobody is logged in")));
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_failure_of_its_kind() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(RESPONSE_HEAD_BYTES));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(RESPONSE_HEADERS + 1));
    for (answer, expected) in [
        ("HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n", Failure::Upgrade),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1048577\r\n\r\n", Failure::ResponseBody),
        ("HTTP/1.1 200 OK\r\ncontent-le", Failure::Incomplete),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Failure::Protocol),
        (&long, Failure::ResponseHead),
        (&many, Failure::ResponseHead),
    ] {
        let (port, _seen) = server(answer.as_bytes().to_vec(), true).await;
        let (client, _) = client(vec![grant(&format!("http://vault.example:{port}"), &[])]);
        let failure = client.send(request("GET", &format!("http://vault.example:{port}/")), patience()).await.err();
        assert_eq!(failure, Some(expected), "{}", &answer[..answer.len().min(60)]);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_and_so_is_one_that_breaks_off() {
    let (port, _seen) = server(Vec::new(), false).await;
    let (silent, _) = client(vec![grant(&format!("http://vault.example:{port}"), &[])]);
    let failure = silent.send(request("GET", &format!("http://vault.example:{port}/")), HASTE).await.err();
    assert_eq!(failure, Some(Failure::FirstByte));
    let (port, _seen) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec(), true).await;
    let (half, _) = client(vec![grant(&format!("http://vault.example:{port}"), &[])]);
    let Answer { response, connection } = half.send(request("GET", &format!("http://vault.example:{port}/")), patience()).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(response.into_body().collect().await.err(), Some(Failure::Incomplete));
}

#[tokio::test]
async fn so_many_requests_are_under_way_at_a_time_and_an_answer_that_is_not_read_counts() {
    let (port, _seen) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_vec(), false).await;
    let (client, _) = client(vec![grant(&format!("http://vault.example:{port}"), &[])]);
    let uri = format!("http://vault.example:{port}/");
    let mut answers = Vec::new();
    for _ in 0..AT_A_TIME {
        answers.push(client.send(request("GET", &uri), patience()).await.unwrap());
    }
    assert_eq!(client.send(request("GET", &uri), patience()).await.err(), Some(Failure::TooMany));
    drop(answers.pop());
    assert!(client.send(request("GET", &uri), patience()).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_private_is_not_reached_without_the_word_and_the_line_is_named() {
    let (port, mut seen) = server(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), true).await;
    let origin = format!("http://vault.example:{port}");
    let (client, _) = client(vec![HttpGrant { private: false, ..grant(&origin, &[]) }]);
    let failure = client.send(request("GET", &format!("{origin}/")), patience()).await.err();
    assert!(matches!(failure, Some(Failure::Dial(DialError::Prohibited(_)))), "{failure:?}");
    let line = format!("`- {{ origin: \"{origin}\", private: true }}`");
    assert!(client.denials.first().unwrap().contains(&line), "{:?}", client.denials.first());
    assert!(seen.try_recv().is_err(), "nobody connected");
}
