use super::*;
use crate::entry::{Edit, FieldPath, MatchRule, NewEntry, apply};

fn id(number: u32) -> ObjectId {
    let mut bytes = [1; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ObjectId::new(bytes).unwrap()
}

struct Zeros;

impl etui_crypto::RandomSource for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn login(title: &str, username: &str, url: &str, tag: &str) -> Entry {
    let mut new = NewEntry::new(EntryType::Login, title);
    new.username = Some(username.into());
    new.password = Some("Sesame".into());
    new.notes = Some("remember".into());
    new.urls = vec![(url.to_owned(), MatchRule::Domain)];
    new.tags = vec![tag.to_owned()];
    new.into_entry(1, &mut Zeros).unwrap()
}

fn titles<'a>(index: &'a Index, query: &str) -> Vec<&'a str> {
    index.search(query, &Filter::default(), 10).into_iter().map(|hit| hit.title.as_str()).collect()
}

#[test]
fn better_hits_come_first() {
    let mut index = Index::new();
    let entries = [
        login("Tagged", "x", "x.test", "mail"),
        login("User", "mail@x.test", "x.test", "t"),
        login("Host", "x", "https://mail.test/login", "t"),
        login("Hotmailer", "x", "x.test", "t"),
        login("Work mail", "x", "x.test", "t"),
        login("Mailbox", "x", "x.test", "t"),
        login("Nothing", "x", "https://x.test/mail", "t"),
    ];
    for (number, entry) in (1..).zip(&entries) {
        index.insert(id(number), entry);
    }
    assert_eq!(titles(&index, "MAIL"), ["Mailbox", "Work mail", "Hotmailer", "Host", "User", "Tagged"]);
    assert_eq!(titles(&index, "mail work"), ["Work mail"]);
    assert_eq!(index.search("mail", &Filter::default(), 2).len(), 2);
    assert_eq!(titles(&index, "mail absent"), [""; 0]);
}

#[test]
fn case_and_diacritics_do_not_count() {
    let mut index = Index::new();
    index.insert(id(1), &login("Crème Brûlée İstanbul Straße Łódź", "x", "x.test", "t"));
    for query in ["creme", "BRULÉE", "istanbul", "strasse", "lodz", "ſtraSSe"] {
        assert_eq!(titles(&index, query).len(), 1, "{query}");
    }
}

#[test]
fn secrets_are_not_in_the_index() {
    let mut index = Index::new();
    index.insert(id(1), &login("Title", "x", "x.test", "t"));
    assert_eq!(titles(&index, "sesame"), [""; 0]);
    assert_eq!(titles(&index, "remember"), [""; 0]);
}

#[test]
fn changes_and_removals_show_at_once() {
    let mut index = Index::new();
    let entry = login("Old", "x", "x.test", "t");
    index.insert(id(1), &entry);
    index.insert(id(2), &login("Other", "x", "x.test", "t"));
    let edit = Edit::Set { path: FieldPath::Title, value: "New".into() };
    index.insert(id(1), &apply(&entry, &[edit], 2).unwrap());
    assert_eq!((titles(&index, "old").len(), titles(&index, "new").len(), index.len()), (0, 1, 2));
    assert!(index.remove(&id(1)) && !index.remove(&id(1)));
    assert_eq!(titles(&index, ""), ["Other"]);
    assert_eq!(index.get(&id(2)).unwrap().title, "Other");
    index.insert(id(2), &apply(&entry, &[Edit::Trash], 3).unwrap());
    assert_eq!(titles(&index, "").len(), 0);
    assert_eq!(index.list(&Filter { shelf: Shelf::Trash, ..Filter::default() }).len(), 1);
}

#[test]
fn filters_narrow() {
    let mut index = Index::new();
    let entry = login("One", "x", "x.test", "Büro");
    let filed = Edit::Set { path: FieldPath::Folder, value: "/Work//Mail/".into() };
    index.insert(id(1), &apply(&entry, &[filed], 2).unwrap());
    index.insert(id(2), &Entry::new(EntryType::Note, "Two", 1));
    let count = |filter: &Filter| index.list(filter).len();
    assert_eq!(count(&Filter { tag: Some("buro".into()), ..Filter::default() }), 1);
    assert_eq!(count(&Filter { folder: Some("work".into()), ..Filter::default() }), 1);
    assert_eq!(count(&Filter { folder: Some("wor".into()), ..Filter::default() }), 0);
    assert_eq!(count(&Filter { entry_type: Some(EntryType::Note), ..Filter::default() }), 1);
    assert_eq!(count(&Filter { favourites: true, ..Filter::default() }), 0);
}

#[test]
fn one_entry_is_found_among_ten_thousand_and_a_broad_search_is_cut_at_its_limit() {
    let mut index = Index::new();
    for number in 1..=10_000 {
        let title = format!("Entry number {number}");
        index.insert(id(number), &login(&title, "someone@example.test", "https://host.example.test", "tag"));
    }
    assert_eq!(index.search("e", &Filter::default(), 50).len(), 50);
    assert_eq!(index.search("number 9999", &Filter::default(), 50).len(), 1);
}
