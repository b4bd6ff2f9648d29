//! Accounts, sessions, states, vaults, commits, objects, segments. `docs/design/0002-server-storage.md` explains them.
//!
//! Ids and hashes are byte strings; times are milliseconds since 1970.
#![expect(
    clippy::enum_variant_names,
    reason = "a column's name says whose id it is, in every table the same"
)]

use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager, async_trait,
    prelude::{
        ColumnDef, DbErr, DeriveIden, Expr, ExprTrait, ForeignKey, ForeignKeyAction,
        ForeignKeyCreateStatement, Index, IndexCreateStatement, IntoIden, Query, Table, TableCreateStatement,
    },
    sea_query::ConditionalStatement,
};

use crate::identity;

pub(super) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_first"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            store(),
            account(),
            session(),
            spent_refresh(),
            account_state(),
            named_record(),
            vault(),
            vault_commit(),
            segment(),
            object(),
        ];
        for table in tables {
            manager.create_table(table).await?;
        }
        for index in indices() {
            manager.create_index(index).await?;
        }
        let store_id = identity::draw().map_err(|error| DbErr::Migration(error.to_string()))?;
        let mut name = Query::insert();
        name.into_table(Store::Table).columns([Store::StoreId]).values_panic([store_id.to_vec().into()]);
        manager.execute(name).await.map(drop)
    }
}

#[derive(DeriveIden)]
enum Store {
    Table,
    StoreId,
}

/// One row: whose the segments are.
fn store() -> TableCreateStatement {
    Table::create().table(Store::Table).col(bytes(Store::StoreId).primary_key()).take()
}

#[derive(DeriveIden)]
enum Account {
    Table,
    AccountId,
    Email,
    LoginHash,
    StateVersion,
    StateHash,
    CreatedMs,
}

/// One person's account.
fn account() -> TableCreateStatement {
    Table::create()
        .table(Account::Table)
        .col(bytes(Account::AccountId).primary_key())
        // Normalised; names the account when signing in.
        .col(text(Account::Email).unique_key())
        // Argon2id of the login proof, as a PHC string.
        .col(text(Account::LoginHash))
        // The newest state: the compare-and-swap of state pushes.
        .col(number(Account::StateVersion))
        .col(bytes(Account::StateHash))
        .col(number(Account::CreatedMs))
        .take()
}

#[derive(DeriveIden)]
enum Session {
    Table,
    SessionId,
    AccountId,
    DeviceId,
    RefreshHash,
    StartedMs,
    LastSeenMs,
    ExpiresMs,
}

/// A device that has signed in. Ending a session is deleting its row.
fn session() -> TableCreateStatement {
    Table::create()
        .table(Session::Table)
        .col(bytes(Session::SessionId).primary_key())
        .col(bytes(Session::AccountId))
        .col(bytes(Session::DeviceId))
        // SHA-256 of the one refresh token that still works.
        .col(bytes(Session::RefreshHash).unique_key())
        .col(number(Session::StartedMs))
        // To the minute; 0 before its first use, which ends the device's older session.
        .col(number(Session::LastSeenMs))
        .col(number(Session::ExpiresMs))
        .foreign_key(&mut owned(Session::Table, Session::AccountId, Account::Table, Account::AccountId))
        .take()
}

#[derive(DeriveIden)]
enum SpentRefresh {
    Table,
    RefreshHash,
    SessionId,
    SuccessorHash,
    SpentMs,
}

/// Refresh tokens that were exchanged: whoever shows one again after its successor was used holds a copy.
fn spent_refresh() -> TableCreateStatement {
    Table::create()
        .table(SpentRefresh::Table)
        .col(bytes(SpentRefresh::RefreshHash).primary_key())
        .col(bytes(SpentRefresh::SessionId))
        // SHA-256 of the token given for it; zeros where there was none.
        .col(bytes(SpentRefresh::SuccessorHash))
        .col(number(SpentRefresh::SpentMs))
        .foreign_key(&mut owned(
            SpentRefresh::Table,
            SpentRefresh::SessionId,
            Session::Table,
            Session::SessionId,
        ))
        .take()
}

#[derive(DeriveIden)]
enum AccountState {
    Table,
    AccountId,
    Version,
    StateHash,
    Body,
}

/// Every signed state, verbatim, for ever.
fn account_state() -> TableCreateStatement {
    Table::create()
        .table(AccountState::Table)
        .col(bytes(AccountState::AccountId))
        .col(number(AccountState::Version))
        .col(bytes(AccountState::StateHash))
        .col(bytes(AccountState::Body))
        .primary_key(Index::create().col(AccountState::AccountId).col(AccountState::Version))
        .foreign_key(&mut owned(
            AccountState::Table,
            AccountState::AccountId,
            Account::Table,
            Account::AccountId,
        ))
        .take()
}

#[derive(DeriveIden)]
enum NamedRecord {
    Table,
    AccountId,
    RecordHash,
    FirstVersion,
    Body,
}

/// The sealed records that the newest state names, and no others: a record no longer named is gone.
fn named_record() -> TableCreateStatement {
    Table::create()
        .table(NamedRecord::Table)
        .col(bytes(NamedRecord::AccountId))
        .col(bytes(NamedRecord::RecordHash))
        // The state that brought it.
        .col(number(NamedRecord::FirstVersion))
        .col(bytes(NamedRecord::Body))
        .primary_key(Index::create().col(NamedRecord::AccountId).col(NamedRecord::RecordHash))
        .foreign_key(&mut owned(
            NamedRecord::Table,
            NamedRecord::AccountId,
            Account::Table,
            Account::AccountId,
        ))
        .take()
}

#[derive(DeriveIden)]
enum Vault {
    Table,
    VaultNumber,
    AccountId,
    VaultId,
    HeadSeq,
    HeadHash,
}

/// A vault and its head. The number keeps the rows of objects short and one account's ids out of another's way.
fn vault() -> TableCreateStatement {
    Table::create()
        .table(Vault::Table)
        .col(number(Vault::VaultNumber).auto_increment().primary_key())
        .col(bytes(Vault::AccountId))
        .col(bytes(Vault::VaultId))
        // The compare-and-swap of pushes.
        .col(number(Vault::HeadSeq))
        .col(bytes(Vault::HeadHash))
        .foreign_key(&mut owned(Vault::Table, Vault::AccountId, Account::Table, Account::AccountId))
        .take()
}

#[derive(DeriveIden)]
enum VaultCommit {
    Table,
    VaultNumber,
    Seq,
    CommitHash,
    Body,
}

/// Every signed commit, verbatim, for ever.
fn vault_commit() -> TableCreateStatement {
    Table::create()
        .table(VaultCommit::Table)
        .col(number(VaultCommit::VaultNumber))
        .col(number(VaultCommit::Seq))
        .col(bytes(VaultCommit::CommitHash))
        .col(bytes(VaultCommit::Body))
        .primary_key(Index::create().col(VaultCommit::VaultNumber).col(VaultCommit::Seq))
        .foreign_key(&mut owned(
            VaultCommit::Table,
            VaultCommit::VaultNumber,
            Vault::Table,
            Vault::VaultNumber,
        ))
        .take()
}

#[derive(DeriveIden)]
enum Segment {
    Table,
    SegmentNumber,
    VaultNumber,
    ObjectKey,
    Inline,
    Bytes,
    DeadSinceMs,
}

/// The records of one push, one after the other; never changed.
fn segment() -> TableCreateStatement {
    Table::create()
        .table(Segment::Table)
        .col(number(Segment::SegmentNumber).auto_increment().primary_key())
        .col(number(Segment::VaultNumber))
        // Its random name in the object store; absent where it lies inline.
        .col(ColumnDef::new(Segment::ObjectKey).binary().unique_key())
        // Its bytes, if they are few; absent where it lies in the object store.
        .col(ColumnDef::new(Segment::Inline).binary())
        .col(number(Segment::Bytes))
        // When it was first seen that no object refers to it; none ever will again.
        .col(ColumnDef::new(Segment::DeadSinceMs).big_integer())
        .foreign_key(&mut owned(Segment::Table, Segment::VaultNumber, Vault::Table, Vault::VaultNumber))
        .take()
}

#[derive(DeriveIden)]
enum Object {
    Table,
    VaultNumber,
    ObjectId,
    Seq,
    Version,
    RecordHash,
    SegmentNumber,
    SegmentOffset,
    Length,
}

/// Every object that ever was, as its newest commit left it. A purged one stays as a row without a segment, because
/// its id must never be used again.
fn object() -> TableCreateStatement {
    Table::create()
        .table(Object::Table)
        .col(number(Object::VaultNumber))
        .col(bytes(Object::ObjectId))
        // The commit that changed it last.
        .col(number(Object::Seq))
        .col(number(Object::Version))
        .col(bytes(Object::RecordHash))
        .col(ColumnDef::new(Object::SegmentNumber).big_integer())
        .col(number(Object::SegmentOffset))
        .col(number(Object::Length))
        .primary_key(Index::create().col(Object::VaultNumber).col(Object::ObjectId))
        .foreign_key(&mut owned(Object::Table, Object::VaultNumber, Vault::Table, Vault::VaultNumber))
        .take()
}

fn indices() -> [IndexCreateStatement; 5] {
    [
        Index::create()
            .name("session_device")
            .table(Session::Table)
            .col(Session::AccountId)
            .col(Session::DeviceId)
            .take(),
        Index::create()
            .name("vault_of_account")
            .table(Vault::Table)
            .col(Vault::AccountId)
            .col(Vault::VaultId)
            .unique()
            .take(),
        // What changed since a commit, in order.
        Index::create()
            .name("object_since")
            .table(Object::Table)
            .col(Object::VaultNumber)
            .col(Object::Seq)
            .col(Object::ObjectId)
            .take(),
        // What goes with a vault.
        Index::create().name("segment_of_vault").table(Segment::Table).col(Segment::VaultNumber).take(),
        // Which segments are still referred to.
        Index::create()
            .name("object_segment")
            .table(Object::Table)
            .col(Object::SegmentNumber)
            .and_where(Expr::col(Object::SegmentNumber).is_not_null())
            .take(),
    ]
}

fn bytes(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).binary().not_null().take()
}

fn text(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn number(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// The rows go when their owner goes.
fn owned(
    table: impl IntoIden + 'static,
    column: impl IntoIden,
    owner: impl IntoIden + 'static,
    key: impl IntoIden,
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(table.into_iden(), column)
        .to(owner.into_iden(), key)
        .on_delete(ForeignKeyAction::Cascade)
        .take()
}
