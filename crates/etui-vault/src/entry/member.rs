//! The member names of an entry document, each written once. Words of the FIDO Credential Exchange Format where it
//! has one; its times are in seconds, so ours carry their unit.

pub(crate) const TYPE: &str = "type";
pub(crate) const TITLE: &str = "title";
pub(crate) const USERNAME: &str = "username";
pub(crate) const PASSWORD: &str = "password";
pub(crate) const NOTES: &str = "notes";
pub(crate) const TOTP: &str = "totp";
pub(crate) const FOLDER: &str = "folder";
pub(crate) const FAVOURITE: &str = "favorite";
pub(crate) const TAGS: &str = "tags";

pub(crate) const CREATED: &str = "creationAtMs";
pub(crate) const MODIFIED: &str = "modifiedAtMs";
pub(crate) const ARCHIVED: &str = "archivedAtMs";
pub(crate) const TRASHED: &str = "trashedAtMs";

pub(crate) const URLS: &str = "urls";
pub(crate) const URL: &str = "url";
pub(crate) const MATCH: &str = "match";

pub(crate) const FIELDS: &str = "fields";
pub(crate) const ID: &str = "id";
pub(crate) const LABEL: &str = "label";
pub(crate) const FIELD_TYPE: &str = "fieldType";
pub(crate) const VALUE: &str = "value";

pub(crate) const ATTACHMENTS: &str = "attachments";
pub(crate) const NAME: &str = "name";
pub(crate) const SIZE: &str = "size";
pub(crate) const RECORD_HASH: &str = "recordHash";

pub(crate) const HISTORY: &str = "history";
pub(crate) const CONFLICTS: &str = "conflicts";
pub(crate) const FIELD: &str = "field";
pub(crate) const AT: &str = "atMs";
