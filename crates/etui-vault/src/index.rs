//! The search index: what `list` and `search` need of every entry, in memory, and nothing more.
//!
//! It holds display fields only. Passwords, one-time passwords, notes and custom fields never enter it, so a screen
//! that lists entries cannot show them by mistake.

mod fold;

use std::{cmp::Ordering, collections::HashMap};

use etui_chain::ObjectId;
use memchr::memmem::Finder;

use crate::entry::{Entry, EntryType};

pub use fold::fold;

/// What is shown of an entry in a list.
#[derive(Clone)]
pub struct Summary {
    /// The entry's object.
    pub id: ObjectId,
    /// What it is.
    pub entry_type: EntryType,
    /// What it is, by the name that is written.
    pub type_name: String,
    /// The title.
    pub title: String,
    /// The user name; empty if there is none.
    pub username: String,
    /// The hosts of its addresses, without repeats, in order.
    pub hosts: Vec<String>,
    /// The tags.
    pub tags: Vec<String>,
    /// The folder; empty if there is none.
    pub folder: String,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// Whether it has a one-time password.
    pub has_totp: bool,
    /// How many attachments it lists.
    pub attachments: usize,
    /// How many conflicts wait for the person.
    pub conflicts: usize,
    /// When it was created (Unix milliseconds).
    pub created_ms: u64,
    /// When it was last changed (Unix milliseconds).
    pub modified_ms: u64,
    /// When it was archived, if it is (Unix milliseconds).
    pub archived_ms: Option<u64>,
    /// When it was put into the trash, if it is there (Unix milliseconds).
    pub trashed_ms: Option<u64>,
}

impl Summary {
    /// The display fields of an entry.
    pub fn of(id: ObjectId, entry: &Entry) -> Self {
        Self {
            id,
            entry_type: entry.entry_type(),
            type_name: entry.type_name().to_owned(),
            title: entry.title().to_owned(),
            username: entry.username().unwrap_or_default().to_owned(),
            hosts: hosts(entry),
            tags: entry.tags().map(str::to_owned).collect(),
            folder: entry.folder().unwrap_or_default().to_owned(),
            favourite: entry.is_favourite(),
            has_totp: entry.totp().is_some(),
            attachments: entry.attachments().count(),
            conflicts: entry.conflicts().count(),
            created_ms: entry.created_ms(),
            modified_ms: entry.modified_ms(),
            archived_ms: entry.archived_ms(),
            trashed_ms: entry.trashed_ms(),
        }
    }
}

/// Where an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shelf {
    /// Neither archived nor in the trash.
    #[default]
    Active,
    /// Archived and not in the trash.
    Archive,
    /// In the trash.
    Trash,
    /// Anywhere.
    All,
}

/// Which entries are looked at; the default is every active one.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Where they are kept.
    pub shelf: Shelf,
    /// Only of this type.
    pub entry_type: Option<EntryType>,
    /// Only with this tag, compared as [`fold`] does.
    pub tag: Option<String>,
    /// Only in this folder or one below it, compared as [`fold`] does.
    pub folder: Option<String>,
    /// Only favourites.
    pub favourites: bool,
}

/// The index over all decrypted entries of the unlocked vaults.
#[derive(Default)]
pub struct Index {
    rows: Vec<Row>,
    row_of: HashMap<ObjectId, usize>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry, or takes over its new content.
    pub fn insert(&mut self, id: ObjectId, entry: &Entry) {
        let row = Row::of(Summary::of(id, entry));
        if let Some(&index) = self.row_of.get(&id) {
            self.rows[index] = row;
        } else {
            self.row_of.insert(id, self.rows.len());
            self.rows.push(row);
        }
    }

    /// Takes an entry out; whether it was there.
    pub fn remove(&mut self, id: &ObjectId) -> bool {
        let Some(index) = self.row_of.remove(id) else { return false };
        self.rows.swap_remove(index);
        if let Some(moved) = self.rows.get(index) {
            self.row_of.insert(moved.summary.id, index);
        }
        true
    }

    /// The display fields of one entry.
    pub fn get(&self, id: &ObjectId) -> Option<&Summary> {
        self.row_of.get(id).map(|&index| &self.rows[index].summary)
    }

    /// How many entries it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The entries that contain every word of the query, the best first and at most `limit`. Case and diacritics do not
    /// count. A hit at the start of the title comes before one at the start of a word of it, then anywhere in it, then in
    /// a host, the user name, a tag, the folder; equal hits are in the order of their titles. An empty query matches all.
    pub fn search(&self, query: &str, filter: &Filter, limit: usize) -> Vec<&Summary> {
        let query = fold(query);
        let words: Vec<Finder<'_>> = query.split_whitespace().map(Finder::new).collect();
        let filter = FoldedFilter::of(filter);
        let mut hits: Vec<(u32, &Row)> = self
            .rows
            .iter()
            .filter(|row| filter.admits(row))
            .filter_map(|row| row.score(&words).map(|score| (score, row)))
            .collect();
        // Only what is shown gets sorted: a one-letter query hits nearly every entry.
        if limit < hits.len() {
            hits.select_nth_unstable_by(limit, better);
            hits.truncate(limit);
        }
        hits.sort_unstable_by(better);
        hits.into_iter().map(|(_, row)| &row.summary).collect()
    }

    /// All entries that the filter admits, by title.
    pub fn list(&self, filter: &Filter) -> Vec<&Summary> {
        self.search("", filter, usize::MAX)
    }
}

fn better(one: &(u32, &Row), other: &(u32, &Row)) -> Ordering {
    let key = |(score, row): &(u32, &Row)| (*score, row.summary.id);
    one.0
        .cmp(&other.0)
        .then_with(|| one.1.title().cmp(other.1.title()))
        .then_with(|| key(one).cmp(&key(other)))
}

/// A summary with the folded text that searches run over: title, hosts, user name, tags and folder, each ended by a line
/// feed.
struct Row {
    summary: Summary,
    haystack: Box<str>,
    /// Where title, hosts, user name and tags end in the haystack.
    ends: [usize; 4],
}

impl Row {
    fn of(summary: Summary) -> Self {
        let mut haystack = String::new();
        let parts = [
            summary.title.as_str(),
            &summary.hosts.join(" "),
            &summary.username,
            &summary.tags.join(" "),
            &summary.folder,
        ];
        let ends = parts.map(|part| {
            haystack.push_str(&fold(part).replace('\n', " "));
            haystack.push('\n');
            haystack.len()
        });
        let [title, hosts, username, tags, _] = ends;
        Self { summary, haystack: haystack.into_boxed_str(), ends: [title, hosts, username, tags] }
    }

    fn title(&self) -> &str {
        &self.haystack[..self.ends[0]]
    }

    /// The sum of the words' ranks, lower being better; none if a word is missing.
    fn score(&self, words: &[Finder<'_>]) -> Option<u32> {
        words.iter().map(|word| self.rank(word)).sum()
    }

    fn rank(&self, word: &Finder<'_>) -> Option<u32> {
        let first = word.find(self.haystack.as_bytes())?;
        if first == 0 {
            return Some(0);
        }
        Some(match self.ends.iter().position(|&end| first < end) {
            Some(0) if word.find_iter(self.title().as_bytes()).any(|at| self.starts_word(at)) => 1,
            Some(0) => 2,
            Some(1) => 3,
            Some(2) => 4,
            Some(_) => 5,
            None => 6,
        })
    }

    fn starts_word(&self, at: usize) -> bool {
        self.haystack[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    }
}

struct FoldedFilter {
    shelf: Shelf,
    entry_type: Option<EntryType>,
    tag: Option<String>,
    folder: Option<String>,
    favourites: bool,
}

impl FoldedFilter {
    fn of(filter: &Filter) -> Self {
        Self {
            shelf: filter.shelf,
            entry_type: filter.entry_type,
            tag: filter.tag.as_deref().map(fold),
            folder: filter.folder.as_deref().map(|folder| fold(folder.trim_matches('/'))),
            favourites: filter.favourites,
        }
    }

    fn admits(&self, row: &Row) -> bool {
        let summary = &row.summary;
        let on_shelf = match self.shelf {
            Shelf::Active => summary.trashed_ms.is_none() && summary.archived_ms.is_none(),
            Shelf::Archive => summary.trashed_ms.is_none() && summary.archived_ms.is_some(),
            Shelf::Trash => summary.trashed_ms.is_some(),
            Shelf::All => true,
        };
        on_shelf
            && (!self.favourites || summary.favourite)
            && self.entry_type.is_none_or(|wanted| summary.entry_type == wanted)
            && self.tag.as_ref().is_none_or(|wanted| summary.tags.iter().any(|tag| fold(tag) == *wanted))
            && self.folder.as_ref().is_none_or(|wanted| is_below(&fold(&summary.folder), wanted))
    }
}

fn is_below(folder: &str, wanted: &str) -> bool {
    folder
        .strip_prefix(wanted)
        .is_some_and(|rest| wanted.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn hosts(entry: &Entry) -> Vec<String> {
    let mut hosts = Vec::new();
    for host in entry.urls().filter_map(|url| host(url.url)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The host of an address; `https` is assumed where a person left the scheme out.
fn host(address: &str) -> Option<String> {
    let parsed = url::Url::parse(address).ok().filter(url::Url::has_host);
    let parsed = parsed.or_else(|| url::Url::parse(&format!("https://{address}")).ok())?;
    parsed.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests;
