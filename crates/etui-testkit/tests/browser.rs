//! Devices that a browser lets in, told with the real programs and, where it takes one, a real provider.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStderr, Stdio},
    time::{Duration, Instant},
};

use etui_services::{
    ProviderAddress,
    provider::{CLIENT_ID, CLIENT_SECRET},
};
use etui_testkit::{Device, EMAIL, Server, Stage};
use sessions::age_sessions;
use test_browser::{Seen, TestBrowser};
use tokio::runtime::{Builder, Runtime};

#[path = "support/sessions.rs"]
mod sessions;
#[expect(dead_code, reason = "the tests of the server use all of it")]
#[path = "../../etui-server/tests/api/support/browser.rs"]
mod test_browser;

/// Far less than the ten minutes for which a browser is waited for, on a machine that has much else to do.
const AT_ONCE: Duration = Duration::from_secs(10);

/// The server at the address that it gives itself: the answer of a browser must come from there.
fn url(server: &Server) -> String {
    format!("http://localhost:{}", server.address().port())
}

/// A browser that is waited for.
struct Browser {
    runtime: Runtime,
    browser: TestBrowser,
}

impl Browser {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, browser: TestBrowser::new() }
    }

    fn open(&mut self, address: &str) -> Seen {
        self.runtime.block_on(self.browser.open(address))
    }

    fn submit(&mut self, page: &Seen, action: &str, fields: &[(&str, &str)]) -> Seen {
        self.runtime.block_on(self.browser.submit(page, action, fields))
    }

    fn sign_in_at_provider(&mut self, page: Seen, name: &str) -> Seen {
        self.runtime.block_on(self.browser.sign_in_at_provider(page, name))
    }
}

/// A command that waits for a browser, and what it has said.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
}

impl Waiting {
    fn start(device: &Device, arguments: &[&str]) -> Self {
        let mut command = device.command(arguments);
        // Nothing opens by itself: the test is the browser.
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr }
    }

    /// The next line that stands by itself: an address, a code.
    fn shown(&mut self) -> String {
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it ended: {all}");
            all.push_str(&line);
            if let Some(shown) = line.strip_prefix("  ") {
                return shown.trim().to_owned();
            }
        }
    }

    /// Kills the command, as a closed terminal or a Ctrl-C does.
    fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).unwrap();
    }

    /// How it ended, with what it said last.
    fn end(mut self) -> (Option<i32>, String) {
        let said = std::io::read_to_string(&mut self.stderr).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

fn arguments<'a>(verb: &'a str, url: &'a str, way: &[&'a str]) -> Vec<&'a str> {
    let account = [verb, "--server", url, "--email", EMAIL, "--master-password-file", "master"];
    [&account, way].concat()
}

fn sign_up(device: &Device, url: &str) {
    device.ok(&arguments("signup", url, &["--login-password-file", "login"]));
}

/// Returns when nobody listens any more where this address has the browser come back to.
fn wait_until_nobody_listens(address: &str) {
    let port = address.split(['?', '&']).find_map(|part| part.strip_prefix("port=")).expect("a port");
    while TcpStream::connect(format!("127.0.0.1:{port}")).is_ok() {
        std::thread::yield_now();
    }
}

/// A browser in which the account of a device is open.
fn opened(device: &Device) -> Browser {
    opened_by(device, EMAIL)
}

/// The same for an account of that address.
fn opened_by(device: &Device, email: &str) -> Browser {
    let address = device.json(&["account", "open"])["url"].as_str().unwrap().to_owned();
    let mut browser = Browser::new();
    let page = browser.open(&address);
    let page = browser.submit(&page, "/hand-over", &[]);
    assert!(page.text.contains(email), "{}", page.text);
    browser
}

fn decide(browser: &mut Browser, page: &Seen, action: &str, decision: &str) -> Seen {
    browser.submit(page, action, &[("decision", decision)])
}

#[test]
fn a_browser_on_the_same_computer_lets_a_device_in_or_does_not() {
    let stage = Stage::new();
    let server = stage.serve();
    let url = url(&server);
    let (one, two, three) = (stage.device("one"), stage.device("two"), stage.device("three"));
    sign_up(&one, &url);
    one.add("GitHub", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    let mut browser = opened(&one);

    let mut waiting = Waiting::start(&two, &arguments("login", &url, &["--browser"]));
    let page = browser.open(&waiting.shown());
    let done = decide(&mut browser, &page, "/authorize", "allow");
    assert_eq!((done.status, done.url.host_str()), (200, Some("127.0.0.1")));
    assert!(done.text.contains("You can close this page"), "{}", done.text);
    let (code, said) = waiting.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(two.field("GitHub", "password"), "hunter2-correct");

    let mut waiting = Waiting::start(&three, &arguments("login", &url, &["--browser"]));
    let page = browser.open(&waiting.shown());
    decide(&mut browser, &page, "/authorize", "refuse");
    let (code, said) = waiting.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("did not let this device in"), "{said}");
}

#[test]
fn a_browser_elsewhere_lets_a_device_in_by_its_code() {
    let stage = Stage::new();
    let server = stage.serve();
    let url = url(&server);
    let (one, two) = (stage.device("one"), stage.device("two"));
    sign_up(&one, &url);
    one.add("GitHub", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    let mut browser = opened(&one);

    let mut waiting = Waiting::start(&two, &arguments("login", &url, &["--device-code"]));
    let page = browser.open(&waiting.shown());
    let page = browser.submit(&page, "/device/look", &[("user_code", &waiting.shown())]);
    let page = decide(&mut browser, &page, "/device/decide", "allow");
    assert!(page.text.contains("is let in"), "{}", page.text);
    let (code, said) = waiting.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(two.field("GitHub", "password"), "hunter2-correct");
}

#[test]
fn a_browser_shows_that_its_holder_is_present_and_nobody_elses_does() {
    let stage = Stage::new();
    let server = stage.serve();
    let url = url(&server);
    let (one, stranger) = (stage.device("one"), stage.device("stranger"));
    sign_up(&one, &url);
    let mut of_stranger = arguments("signup", &url, &["--login-password-file", "login"]);
    of_stranger[4] = "eve@example.org";
    stranger.ok(&of_stranger);
    let (mut browser, mut strange_browser) = (opened(&one), opened_by(&stranger, "eve@example.org"));

    age_sessions(&stage);
    let mut waiting = Waiting::start(&one, &["account", "approval", "on", "--browser"]);
    let page = strange_browser.open(&waiting.shown());
    decide(&mut strange_browser, &page, "/authorize", "allow");
    let (code, said) = waiting.end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another account than this device's; nothing was changed"), "{said}");
    one.ok(&["sync"]);
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], false);
    assert_eq!(stranger.json(&["devices"]).as_array().map(Vec::len), Some(1), "it was not left there");

    let mut waiting = Waiting::start(&one, &["account", "approval", "on", "--browser"]);
    let page = browser.open(&waiting.shown());
    decide(&mut browser, &page, "/authorize", "allow");
    let (code, said) = waiting.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], true);

    // A code that is typed does as well. The change has ended what was open in the browser.
    let mut browser = opened(&one);
    age_sessions(&stage);
    let mut waiting = Waiting::start(&one, &["account", "approval", "off", "--device-code"]);
    let page = browser.open(&waiting.shown());
    let page = browser.submit(&page, "/device/look", &[("user_code", &waiting.shown())]);
    decide(&mut browser, &page, "/device/decide", "allow");
    let (code, said) = waiting.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], false);
    one.ok(&["sync"]);
}

#[test]
fn nobody_is_waited_for_whose_command_has_gone_away() {
    let stage = Stage::new();
    let server = stage.serve();
    let url = url(&server);
    let (one, two) = (stage.device("one"), stage.device("two"));
    sign_up(&one, &url);

    // An agent that holds nothing ends, with all that it had begun.
    for way in ["--browser", "--device-code"] {
        let mut waiting = Waiting::start(&two, &arguments("login", &url, &[way]));
        let address = waiting.shown();
        let agent = two.agent().expect("it waits for the browser");
        let killed = Instant::now();
        waiting.kill();
        agent.wait();
        assert!(killed.elapsed() < AT_ONCE, "{way}: after {:?}", killed.elapsed());
        if way == "--browser" {
            wait_until_nobody_listens(&address);
        }
        assert!(!two.home().join("device.json").exists(), "{way}");
    }

    // One that holds a device goes on holding it, and nothing was changed.
    age_sessions(&stage);
    let mut waiting = Waiting::start(&one, &["account", "approval", "on", "--browser"]);
    let address = waiting.shown();
    let killed = Instant::now();
    waiting.kill();
    wait_until_nobody_listens(&address);
    assert!(killed.elapsed() < AT_ONCE, "after {:?}", killed.elapsed());
    one.ok(&["sync"]);
    assert_eq!(one.json(&["account", "ways"])["approve_devices"], false);
    two.ok(&arguments("login", &url, &["--login-password-file", "login"]));
}

#[test]
fn an_account_is_made_and_signed_in_to_by_a_provider_alone() {
    let stage = Stage::new();
    let provider = ProviderAddress::free().unwrap();
    stage.write("secret", CLIENT_SECRET);
    stage.set(&format!(
        "[[provider]]\nname = 'work'\ntitle = 'Work'\nissuer = '{}'\nclient_id = '{CLIENT_ID}'\n\
         client_secret_file = '{}'\n",
        provider.issuer(),
        stage.path().join("secret").display()
    ));
    let server = stage.serve();
    let url = url(&server);
    let _provider = provider.start(&[&format!("{url}/sign-in/provider/callback")]).unwrap();
    let (one, two) = (stage.device("one"), stage.device("two"));

    for (device, verb) in [(&one, "signup"), (&two, "login")] {
        let mut browser = Browser::new();
        let mut waiting = Waiting::start(device, &arguments(verb, &url, &["--browser"]));
        let page = browser.open(&waiting.shown());
        let page = browser.submit(&page, "/sign-in/provider/work", &[]);
        let page = browser.sign_in_at_provider(page, "alice");
        decide(&mut browser, &page, "/authorize", "allow");
        let (code, said) = waiting.end();
        assert_eq!(code, Some(0), "{verb}: {said}");
    }
    one.add("GitHub", "ada", "hunter2-correct");
    one.ok(&["sync"]);
    two.ok(&["sync"]);
    assert_eq!(two.field("GitHub", "password"), "hunter2-correct");
    let ways = two.json(&["account", "ways"]);
    assert_eq!(
        (&ways["login_password"], ways["identities"][0]["subject"].as_str()),
        (&false.into(), Some("alice"))
    );

    // Without a login password nothing depends on the address but its name.
    one.json(&["account", "email", "change", "alice@new.example.org"]);
    assert_eq!(one.json(&["account", "email"])["email"], "alice@new.example.org");
}
