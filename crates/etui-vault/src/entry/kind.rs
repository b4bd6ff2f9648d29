//! The closed lists of an entry: what it is, what a field holds, which pages an address stands for.

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, unknown is $unknown:ident: $unknown_doc:literal, $($(#[$item_doc:meta])* $item:ident = $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$item_doc])* $item,)*
            #[doc = $unknown_doc]
            $unknown,
        }

        impl $name {
            /// All that this version can write.
            pub const ALL: &[Self] = &[$(Self::$item),*];

            /// The name that is written.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$item => $text,)*
                    Self::$unknown => "unknown",
                }
            }

            /// The one of that name, or the unknown one.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($text => Self::$item,)*
                    _ => Self::$unknown,
                }
            }
        }
    };
}

named! {
    /// What an entry is. The type says which members a client offers; every member is allowed in every type.
    EntryType, unknown is Unknown: "A type of a newer client: shown by the name it has, kept as it is.",
    /// An account somewhere: user name, password, addresses.
    Login = "login",
    /// Text.
    Note = "note",
    /// A payment card.
    Card = "credit-card",
    /// A person's names and addresses.
    Identity = "identity",
    /// A key pair for SSH.
    SshKey = "ssh-key",
    /// A key or token for an interface of a program.
    ApiKey = "api-key",
    /// Access to a database.
    Database = "database",
    /// Access to a machine.
    Server = "server",
    /// A bank account.
    BankAccount = "bank-account",
    /// A document, usually with an attachment.
    Document = "document",
    /// Access to a wireless network.
    Wifi = "wifi",
    /// A passkey.
    Passkey = "passkey",
    /// Custom fields only.
    Custom = "custom",
}

named! {
    /// What a custom field holds.
    FieldKind, unknown is Unknown: "A kind of a newer client: treated as hidden.",
    /// Text that may be shown.
    Text = "string",
    /// Text that is shown only when asked for.
    Hidden = "concealed-string",
    /// An e-mail address.
    Email = "email",
    /// An address of a page; matches nothing.
    Url = "url",
    /// A telephone number.
    Phone = "phone",
    /// A day, `YYYY-MM-DD`.
    Date = "date",
    /// A one-time password: an `otpauth` URI.
    Otp = "totp",
    /// The id of an attachment of the same entry.
    File = "file",
}

impl FieldKind {
    /// Whether its value must not be shown unasked.
    pub const fn is_hidden(self) -> bool {
        matches!(self, Self::Hidden | Self::Otp | Self::Unknown)
    }
}

named! {
    /// Which pages an address stands for, when a password is offered.
    MatchRule, unknown is Unknown: "A rule of a newer client: matches nothing here.",
    /// The registrable domain and everything below it; the default, and not written.
    Domain = "domain",
    /// The same host and port.
    Host = "host",
    /// Every address that begins with this one.
    StartsWith = "starts_with",
    /// This address only.
    Exact = "exact",
    /// No page.
    Never = "never",
}
