//! Links that browsers ask for: they count in that browser, when its user presses the button.

use etui_services::Received;

use super::Mailing;
use crate::support::{Person, TestBrowser};

/// Has a link sent from the page to sign in on; the letter.
pub(crate) async fn ask(
    mailing: &Mailing,
    browser: &mut TestBrowser,
    email: &str,
    number: usize,
) -> Received {
    let page = browser.open(&format!("{}/sign-in?next=/device", mailing.server.public_url())).await;
    let answer = browser.submit(&page, "/sign-in/links", &[("email", email)]).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(answer.text.contains("If there is an account with that address"), "{}", answer.text);
    mailing.letter(number)
}

/// What a letter leads to.
pub(crate) fn link(letter: &Received) -> String {
    let link = letter.text.lines().find(|line| line.contains("/sign-in/links/")).unwrap().to_owned();
    assert!(letter.html.contains(&format!("<a href=\"{link}\">{link}</a>")), "{}", letter.html);
    link
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_signs_in_the_browser_that_asked_when_its_user_says_so() {
    let mailing = Mailing::start().await;
    let person = Person::new(1);
    let session = mailing.server.sign_up_by_letter(&person).await;
    let [mut browser, mut scanner] = [TestBrowser::new(), TestBrowser::new()];
    let link = link(&ask(&mailing, &mut browser, &person.email, 1).await);
    for _ in 0..3 {
        assert_eq!(scanner.open(&link).await.status, 200, "whoever opens it changes nothing");
    }
    let page = scanner.open(&link).await;
    let elsewhere = scanner.submit(&page, "/sign-in/links/", &[]).await;
    assert_eq!(elsewhere.status, 410, "{}", elsewhere.text);
    assert!(elsewhere.text.contains("only where it was asked for"), "{}", elsewhere.text);
    let lured = browser.submit_from_elsewhere(&link, &[]).await;
    assert_eq!(lured.status, 400, "from somebody else's page: {}", lured.text);

    let page = browser.open(&link).await;
    let arrived = browser.submit(&page, "/sign-in/links/", &[]).await;
    assert_eq!((arrived.status, arrived.url.path()), (200, "/device"), "where it wanted to go");
    let account = browser.open(&format!("{}/account", mailing.server.public_url())).await;
    assert!(account.text.contains(&person.email), "{}", account.text);
    let page = scanner.open(&link).await;
    assert_eq!(browser.submit(&page, "/sign-in/links/", &[]).await.status, 410, "it works once");

    assert_eq!(mailing.server.refused(&session, 1).await, [("sign_in".to_owned(), None)], "elsewhere");
    let done = mailing.server.done_by_the_holder(&session).await;
    assert_eq!(done[0], ("open_pages".to_owned(), "done".to_owned(), None), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_address_gets_the_same_page_and_no_letter() {
    let mailing = Mailing::start().await;
    let person = Person::new(1);
    mailing.server.sign_up_by_letter(&person).await;
    let mut browser = TestBrowser::new();
    let page = browser.open(&format!("{}/sign-in", mailing.server.public_url())).await;
    let mut texts = Vec::new();
    for email in ["nobody@example.org", &person.email] {
        texts.push(browser.submit(&page, "/sign-in/links", &[("email", email)]).await.text);
    }
    assert_eq!(texts[0], texts[1]);
    assert_eq!(
        mailing.letter(1).to,
        [person.email],
        "letters come in the order in which they were asked for"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_link_makes_no_form() {
    let mailing = Mailing::start().await;
    for path in ["..%2F..%2Faccount%2Fproviders%2Fwork", "%2F%2Fevil.example", "nonsense", "%3Fa=b"] {
        let page =
            TestBrowser::new().open(&format!("{}/sign-in/links/{path}", mailing.server.public_url())).await;
        assert_eq!(page.status, 410, "{path}: {}", page.text);
        assert!(!page.text.contains("<form"), "{path}: {}", page.text);
    }
}
