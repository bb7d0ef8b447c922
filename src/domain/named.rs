//! Enums whose values have names: in JSON, in the database and in addresses.

/// A name that no value has. Says which there are, where they are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownName(pub &'static str);

/// Declares an enum of values that each have a name and, behind it, a label for pages; with `ALL`, `as_str`, `label` and
/// `FromStr`. In JSON a value is its name. The text behind the enum's own name is what [UnknownName] says. A name is taken as a
/// token: the derive of OpenAPI schemas does not read one that a macro took as a literal.
macro_rules! named {
    ($(#[$meta:meta])* pub enum $type:ident, $unknown:literal {
        $($(#[$about:meta])* $variant:ident = $name:tt,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $type {
            $($(#[$about])* #[serde(rename = $name)] $variant,)+
        }

        impl $type {
            /// Every one, in their order.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// Its name in JSON, in the database and in addresses.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::named::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.into_iter().find(|value| value.as_str() == name);
                found.ok_or($crate::domain::named::UnknownName($unknown))
            }
        }
    };
    ($(#[$meta:meta])* pub enum $type:ident, $unknown:literal {
        $($(#[$about:meta])* $variant:ident = $name:tt $label:literal,)+
    }) => {
        $crate::domain::named::named! {
            $(#[$meta])* pub enum $type, $unknown { $($(#[$about])* $variant = $name,)+ }
        }

        impl $type {
            /// What it is called on a page.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }
        }
    };
}

pub(crate) use named;

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::str::FromStr;

    use serde_json::json;

    use super::*;
    use crate::domain::adapter::AdapterKind;
    use crate::domain::address::requests::StatusClass;
    use crate::domain::api_key::KeyApi;
    use crate::domain::audit::{ActorKind, AuditAction};
    use crate::domain::channel::Channel;
    use crate::domain::event::{EventCause, EventKind};
    use crate::domain::notification::NotificationState;
    use crate::domain::period::Preset;
    use crate::domain::permission::Permission;
    use crate::domain::status::EmailStatus;

    fn read_back<T>(all: &[T], name: impl Fn(T) -> &'static str)
    where
        T: Copy + PartialEq + Debug + FromStr<Err = UnknownName> + serde::Serialize + serde::de::DeserializeOwned,
    {
        for value in all {
            assert_eq!(name(*value).parse(), Ok(*value));
            assert_eq!(json!(value), json!(name(*value)));
            assert_eq!(serde_json::from_value::<T>(json!(name(*value))).unwrap(), *value);
        }
        assert!("nothing".parse::<T>().is_err());
    }

    #[test]
    fn names_read_back() {
        read_back(&EmailStatus::ALL, EmailStatus::as_str);
        read_back(&Channel::ALL, Channel::as_str);
        read_back(&EventKind::ALL, EventKind::as_str);
        read_back(&EventCause::ALL, EventCause::as_str);
        read_back(&Permission::ALL, Permission::as_str);
        read_back(&AuditAction::ALL, AuditAction::as_str);
        read_back(&ActorKind::ALL, ActorKind::as_str);
        read_back(&AdapterKind::ALL, AdapterKind::as_str);
        read_back(&KeyApi::ALL, KeyApi::as_str);
        read_back(&NotificationState::ALL, NotificationState::as_str);
        read_back(&Preset::ALL, Preset::as_str);
        read_back(&StatusClass::ALL, StatusClass::as_str);
    }
}
