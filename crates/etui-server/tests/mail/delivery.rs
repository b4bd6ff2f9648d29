//! What becomes of letters in the queue.

use std::{sync::Arc, time::Duration};

use etui_server::mail::Figures;
use etui_services::Smtp;

use crate::{NOW_MS, Node, settings};

const FIRST_DELAY_MS: u64 = 30_000;
const LEASE_MS: u64 = 120_000;

#[tokio::test]
async fn a_letter_arrives_whole_and_once() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    node.queue("ada@example.org").await;
    node.deliver(NOW_MS).await;
    node.deliver(NOW_MS + LEASE_MS).await;
    let received = smtp.received().unwrap();
    let [letter] = &received[..] else { panic!("one letter: {received:?}") };
    assert_eq!(
        (letter.from.as_str(), &letter.to[..]),
        ("etui@example.org", &["ada@example.org".to_owned()][..])
    );
    assert_eq!(letter.subject, "Your Etui account will be deleted");
    assert!(letter.text.contains("On 2027-01-15 08:00 UTC it will be gone"), "{}", letter.text);
    assert!(letter.html.contains("<p>Until then it can be kept"), "{}", letter.html);
    assert!(letter.raw.contains("Auto-Submitted: auto-generated"), "{}", letter.raw);
    for fetched in ["<img", "<link", "src=", "url("] {
        assert!(!letter.html.contains(fetched), "it fetches nothing: {}", letter.html);
    }
    assert_eq!(node.post.figures(), Figures { sent: 1, deferred: 0, given_up: 0 });
    assert_eq!(node.waiting().await, 0);
}

#[tokio::test]
async fn what_is_refused_is_given_up_and_keeps_nothing_else_back() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    for recipient in ["refused@example.org", "no address", "ada@example.org"] {
        node.queue(recipient).await;
    }
    node.deliver(NOW_MS).await;
    assert_eq!(smtp.received().unwrap().len(), 1);
    assert_eq!(node.post.figures(), Figures { sent: 1, deferred: 0, given_up: 2 });
    assert_eq!(node.waiting().await, 0);
}

#[tokio::test]
async fn what_is_put_off_is_tried_again_after_growing_delays() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    node.queue("deferred@example.org").await;
    let deferred = || node.post.figures().deferred;
    node.deliver(NOW_MS).await;
    let second_ms = NOW_MS + FIRST_DELAY_MS;
    node.deliver(second_ms - 1).await;
    assert_eq!(deferred(), 1, "it is not due");
    node.deliver(second_ms).await;
    node.deliver(second_ms + 2 * FIRST_DELAY_MS - 1).await;
    assert_eq!(deferred(), 2, "the second delay is twice as long");
    smtp.let_in().unwrap();
    node.deliver(second_ms + 2 * FIRST_DELAY_MS).await;
    assert_eq!(smtp.received().unwrap().len(), 1);
    assert_eq!(node.post.figures(), Figures { sent: 1, deferred: 2, given_up: 0 });
}

#[tokio::test]
async fn what_is_too_old_is_given_up() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    node.queue("deferred@example.org").await;
    node.deliver(NOW_MS).await;
    smtp.let_in().unwrap();
    node.deliver(NOW_MS + 72 * 3_600_000).await;
    assert!(smtp.received().unwrap().is_empty());
    assert_eq!(node.post.figures(), Figures { sent: 0, deferred: 1, given_up: 1 });
}

#[tokio::test]
async fn a_mail_server_that_is_away_loses_nothing() {
    let (folder, mut smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    smtp.stop();
    for recipient in ["ada@example.org", "bob@example.org"] {
        node.queue(recipient).await;
    }
    node.deliver(NOW_MS).await;
    assert_eq!(
        node.post.figures(),
        Figures { sent: 0, deferred: 1, given_up: 0 },
        "one try tells that it is away"
    );
    smtp.start_again().unwrap();
    node.deliver(NOW_MS + FIRST_DELAY_MS).await;
    assert_eq!(smtp.received().unwrap().len(), 2);
    assert_eq!(node.waiting().await, 0);
}

#[tokio::test]
async fn a_node_that_dies_between_sending_and_noting_leaves_the_letter_to_another() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Arc::new(Node::open(&settings(folder.path(), &smtp, "")).await);
    node.queue("held@example.org").await;
    let dying = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.deliver(NOW_MS).await }
    });
    // The mail server has it and has not said so.
    let smtp = tokio::task::spawn_blocking(move || smtp.wait_for(1).map(|_| smtp)).await.unwrap().unwrap();
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    smtp.let_go().unwrap();
    node.deliver(NOW_MS + LEASE_MS - 1).await;
    assert_eq!(smtp.received().unwrap().len(), 1, "it may still be on its way");
    node.deliver(NOW_MS + LEASE_MS).await;
    node.deliver(NOW_MS + 10 * LEASE_MS).await;
    let received = smtp.received().unwrap();
    assert_eq!(received.len(), 2, "at least once, and not for ever");
    assert_eq!(received[0].message_id, received[1].message_id, "mail programs see that it is the same");
}

/// As whoever waits too long for the lease: the slower one must not undo what the quicker one noted.
#[tokio::test]
async fn whoever_comes_too_late_decides_nothing() {
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let node = Node::open(&settings(folder.path(), &smtp, "")).await;
    node.queue("ada@example.org").await;
    let lease = Duration::from_millis(LEASE_MS);
    let slow = node.store.claim_mail(lease, NOW_MS).await.unwrap().unwrap();
    assert!(node.store.claim_mail(lease, NOW_MS).await.unwrap().is_none(), "one at a time");
    let quick = node.store.claim_mail(lease, NOW_MS + LEASE_MS).await.unwrap().unwrap();
    node.store.finish_mail(&slow).await.unwrap();
    node.store.defer_mail(&slow, NOW_MS).await.unwrap();
    assert!(node.store.claim_mail(lease, NOW_MS + LEASE_MS).await.unwrap().is_none());
    assert_eq!(node.waiting().await, 1);
    node.store.finish_mail(&quick).await.unwrap();
    assert_eq!(node.waiting().await, 0);
}

/// Every node of a server on PostgreSQL looks into the same queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_nodes_one_sends_each_letter() {
    const LETTERS: usize = 30;
    let (folder, smtp) = (tempfile::tempdir().unwrap(), Smtp::start().unwrap());
    let database =
        tokio::task::spawn_blocking(|| etui_services::Postgres::start(etui_services::Durability::Fleeting));
    let database = database.await.unwrap().unwrap();
    std::fs::write(folder.path().join("url"), format!("{}/postgres", database.url())).unwrap();
    let more = format!("database_url_file = '{}'", folder.path().join("url").display());
    let settings = settings(folder.path(), &smtp, &more);
    let nodes = [Node::open(&settings).await, Node::open(&settings).await, Node::open(&settings).await];
    for number in 0..LETTERS {
        nodes[0].queue(&format!("person{number}@example.org")).await;
    }
    tokio::join!(nodes[0].deliver(NOW_MS), nodes[1].deliver(NOW_MS), nodes[2].deliver(NOW_MS));
    let mut to: Vec<_> = smtp.received().unwrap().into_iter().flat_map(|letter| letter.to).collect();
    assert_eq!(to.len(), LETTERS);
    to.sort_unstable();
    to.dedup();
    assert_eq!(to.len(), LETTERS, "none came twice");
    let sent = nodes.each_ref().map(|node| node.post.figures().sent);
    assert_eq!(sent.iter().sum::<u64>(), LETTERS as u64);
    assert_eq!(nodes[0].waiting().await, 0);
}
