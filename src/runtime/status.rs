//! The status page: what runs, for people, and whether it is healthy, for load balancers; and what
//! is counted, for both.

mod counts;

use std::{
    convert::Infallible,
    fmt::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{self, Instant},
};

use self::counts::{Counts, Summary};
use crate::{
    policy::{ListenerId, Timeouts},
    relay::Stream,
    runtime::{gate::Gate, tally::Tallies},
    telemetry::Generation,
};

/// Bytes of a request's head, and of what is read ahead; the least that hyper works with. A browser
/// sends some 1 KiB.
const HEAD: usize = 8 * 1024;

/// Header fields of a request.
const FIELDS: usize = 64;

/// Time for one request and its answer, whatever the listener's timeouts. There is one request to a
/// connection: a page for people and probes need no more, and so a connection costs this long at
/// most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of a request's body that are read to throw them away. Closing over unread input would
/// reset the connection, and the client might never see the answer.
const UNREAD: u64 = 64 * 1024;

/// What the page tells; the supervisor makes a new one with each commit.
#[derive(Debug)]
pub struct StatusView {
    /// The service's name, if it has one.
    pub service: Option<String>,
    /// The configuration that is served.
    pub generation: Generation,
    /// When the process began.
    pub started: Instant,
    /// Whether the process is stopping, so that load balancers should look elsewhere.
    pub draining: bool,
    /// What the process counts.
    pub tallies: Arc<Tallies>,
    /// What is served.
    pub listeners: Vec<StatusLine>,
}

/// One listener on the page.
#[derive(Debug)]
pub struct StatusLine {
    /// Its name.
    pub listener: ListenerId,
    /// Where it listens, and where it should and does not, as it is shown.
    pub addresses: Vec<String>,
    /// Its sessions.
    pub gate: Arc<Gate>,
}

/// Answers one request.
pub(super) async fn answer(
    client: Stream,
    view: &watch::Receiver<Arc<StatusView>>,
    timeouts: &Timeouts,
) {
    let bounds = [Some(PATIENCE), timeouts.idle, timeouts.lifetime];
    let patience = bounds.into_iter().flatten().min().unwrap_or(PATIENCE);
    let answered = async {
        match client {
            Stream::Tcp(stream) => speak(stream, view, patience).await,
            Stream::Unix(stream) => speak(stream, view, patience).await,
        }
    };
    // A client that is slow, gone or speaks no HTTP has had its chance; that is its affair.
    let _late_or_failed = time::timeout(patience, answered).await;
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    view: &watch::Receiver<Arc<StatusView>>,
    patience: Duration,
) -> hyper::Result<()> {
    let service = service_fn(async |request: Request<Incoming>| {
        let view = Arc::clone(&view.borrow());
        Ok::<_, Infallible>(respond(request.method(), request.uri().path(), &view, Instant::now()))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .keep_alive(false)
        // One that has said all it has to say still wants its answer.
        .half_close(true)
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    let mut stream = connection.without_shutdown().await?.io.into_inner();
    if stream.shutdown().await.is_ok() {
        // Whatever comes, or does not, nobody will look at it.
        let _rest = tokio::io::copy(&mut stream.take(UNREAD), &mut tokio::io::sink()).await;
    }
    Ok(())
}

/// The answer to a request. Pure.
fn respond(method: &Method, path: &str, view: &StatusView, now: Instant) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(method) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/" => page(view, now),
        "/counters" => plain(StatusCode::OK, Counts(view).to_string()),
        "/healthz" if view.draining => plain(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        _ => plain(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", text.into())
}

fn page(view: &StatusView, now: Instant) -> Response<Full<Bytes>> {
    let html = Page { view, now }.to_string();
    let mut page = response(StatusCode::OK, "text/html; charset=utf-8", html.into());
    let nothing = HeaderValue::from_static("default-src 'none'");
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, nothing);
    page
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The page as HTML.
struct Page<'a> {
    view: &'a StatusView,
    now: Instant,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { view, now } = self;
        let name = Escaped(view.service.as_deref().unwrap_or("portcullis"));
        let state = if view.draining { "draining" } else { "serving" };
        let uptime = now.saturating_duration_since(view.started).as_secs();
        writeln!(f, "<!doctype html>\n<meta charset=\"utf-8\">\n<title>{name}</title>")?;
        writeln!(f, "<h1>{name}</h1>")?;
        writeln!(f, "<p>{state}, generation {}, up {uptime} s</p>", view.generation)?;
        writeln!(f, "<table>")?;
        writeln!(
            f,
            "<tr><th>listener<th>addresses<th>sessions<th>total<th>turned away<th>limit reached\
             <th>bytes to backends<th>bytes to clients"
        )?;
        for line in &view.listeners {
            write!(f, "<tr><td>{}<td>", Escaped(line.listener.as_str()))?;
            for (at, address) in line.addresses.iter().enumerate() {
                write!(f, "{}{}", if at == 0 { "" } else { "<br>" }, Escaped(address))?;
            }
            let counts = Summary::of(line.gate.tallies());
            write!(f, "<td>{}<td>{}", line.gate.sessions(), counts.admitted)?;
            write!(f, "<td>{}<td>{}", counts.turned_away, counts.limit_reached)?;
            writeln!(f, "<td>{}<td>{}", counts.to_backend, counts.to_client)?;
        }
        writeln!(f, "</table>")?;
        writeln!(f, "<p><a href=\"/counters\">all counters</a></p>")
    }
}

/// Text that says what it says and marks nothing up.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::{
        admit::Reason, relay::outcome::Outcome, runtime::sample::test_runtime, telemetry::Counter,
    };

    fn view(draining: bool) -> StatusView {
        StatusView {
            service: Some("a<b>&\"c'".to_owned()),
            generation: Generation(7),
            started: Instant::now(),
            draining,
            tallies: Arc::default(),
            listeners: vec![StatusLine {
                listener: ListenerId::new("web"),
                addresses: vec!["127.0.0.1:80".to_owned(), "unix:/run/<x>".to_owned()],
                gate: Arc::default(),
            }],
        }
    }

    fn ask(method: &Method, path: &str, draining: bool) -> (u16, String) {
        let view = view(draining);
        let now = view.started + Duration::from_secs(90);
        let response = respond(method, path, &view, now);
        let status = response.status().as_u16();
        let body = test_runtime(response.into_body().collect()).unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn health_is_ok_until_the_process_drains() {
        assert_eq!(ask(&Method::GET, "/healthz", false), (200, "ok\n".to_owned()));
        assert_eq!(ask(&Method::GET, "/healthz", true), (503, "draining\n".to_owned()));
    }

    #[test]
    fn other_paths_are_not_found_and_other_methods_not_allowed() {
        for path in ["/x", "/healthz/", "//", "/index.html"] {
            assert_eq!(ask(&Method::GET, path, false).0, 404, "{path}");
        }
        for method in [Method::POST, Method::DELETE, Method::CONNECT, Method::OPTIONS] {
            assert_eq!(ask(&method, "/", false).0, 405, "{method}");
        }
    }

    #[test]
    fn counters_are_lines_whose_zeros_only_the_process_has() {
        let (status, text) = ask(&Method::GET, "/counters", false);
        assert_eq!(status, 200);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 1 + Counter::ALL.len() + Outcome::ALL.len());
        assert!(lines.iter().all(|line| line.starts_with("process ") && line.ends_with(" 0")));
        let view = view(false);
        let tally = view.listeners[0].gate.tallies().enlist();
        tally.add(Counter::BytesToClient, 7);
        tally.note(Outcome::Denied(Reason::TooFast));
        let text = Counts(&view).to_string();
        let of_web: Vec<_> = text.lines().filter(|line| line.starts_with("listener ")).collect();
        let expected =
            ["listener web bytes_to_client 7", "listener web ended_denied_per_client_rate 1"];
        assert_eq!(of_web, expected);
    }

    #[test]
    fn the_page_says_what_runs_and_escapes_what_it_says() {
        let (status, html) = ask(&Method::GET, "/", false);
        assert_eq!(status, 200);
        let expected = "<!doctype html>
<meta charset=\"utf-8\">
<title>a&lt;b&gt;&amp;&quot;c&#39;</title>
<h1>a&lt;b&gt;&amp;&quot;c&#39;</h1>
<p>serving, generation 7, up 90 s</p>
<table>
<tr><th>listener<th>addresses<th>sessions<th>total<th>turned away<th>limit reached\
<th>bytes to backends<th>bytes to clients
<tr><td>web<td>127.0.0.1:80<br>unix:/run/&lt;x&gt;<td>0<td>0<td>0<td>0<td>0<td>0
</table>
<p><a href=\"/counters\">all counters</a></p>
";
        assert_eq!(html, expected);
    }
}
