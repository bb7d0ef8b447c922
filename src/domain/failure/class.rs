//! What kinds of failure there are, and what each means for the agent and the customer.

use serde::{Deserialize, Serialize};

/// Why a message did not arrive. Two classes differ in whose problem it is, in what the customer is told or in whether
/// sending again helps; what differs in none of these is one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// Neither the mailbox nor its domain is there.
    AddressUnknown,
    AccountInactive,
    MailboxFull,
    /// Our server, its network or our domain has a bad name there.
    SenderBlocked,
    /// Spam, virus, forbidden attachment or link.
    ContentRefused,
    /// A rule of the server that our set-up does not keep: SPF, DKIM, DMARC, TLS, reverse DNS, form of the headers.
    PolicyRefused,
    /// The recipient or their organisation takes messages from chosen senders only.
    RecipientRestricted,
    /// Too many at once, or a first visit that the server puts off (greylisting).
    RateLimited,
    /// Not tried: the address is on a list of those that are not written to, or the recipient has opted out.
    Suppressed,
    /// No answer, no way there, or a fault at the other end.
    ServerUnavailable,
    TooLarge,
    /// The adapter's log-in, sender address, account or right to relay.
    OurSettings,
    /// Tried until its time was up, and no more exact reason is known.
    Expired,
    NumberInvalid,
    PhoneUnreachable,
    /// The carrier filtered or refused it.
    CarrierRefused,
    /// The app was removed, or may not show notifications any more.
    DeviceGone,
    /// The attempt was cut off: it may have arrived.
    OutcomeUnknown,
    Canceled,
    Unknown,
}

/// Whose problem it is: who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Responsible {
    Recipient,
    /// Whoever runs the recipient's mailbox or telephone network.
    RecipientProvider,
    /// Us, who sent it.
    Sender,
    Nobody,
}

/// Whether sending the same message again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResendHelp {
    No,
    /// Once somebody has changed what the advice names.
    AfterChange,
    /// Without any change, after a while.
    Later,
    Now,
}

/// A name that is no failure class's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown failure class")]
pub struct UnknownFailureClass;

struct Answers {
    name: &'static str,
    label: &'static str,
    whose: Responsible,
    customer: &'static str,
    advice: &'static str,
    resend: ResendHelp,
}

impl FailureClass {
    pub const ALL: [FailureClass; 20] = [
        Self::AddressUnknown,
        Self::AccountInactive,
        Self::MailboxFull,
        Self::SenderBlocked,
        Self::ContentRefused,
        Self::PolicyRefused,
        Self::RecipientRestricted,
        Self::RateLimited,
        Self::Suppressed,
        Self::ServerUnavailable,
        Self::TooLarge,
        Self::OurSettings,
        Self::Expired,
        Self::NumberInvalid,
        Self::PhoneUnreachable,
        Self::CarrierRefused,
        Self::DeviceGone,
        Self::OutcomeUnknown,
        Self::Canceled,
        Self::Unknown,
    ];

    /// Its code in the database.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The class with this database code.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// Its name in searches: `address-unknown`.
    pub fn slug(self) -> String {
        self.as_str().replace('_', "-")
    }

    /// The class with this name, written with blanks, dashes or underscores, in any case of letters.
    pub fn from_slug(text: &str) -> Option<Self> {
        text.to_lowercase().replace(['-', ' '], "_").parse().ok()
    }

    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        self.answers().name
    }

    /// Its name on a page, in a few words.
    pub const fn label(self) -> &'static str {
        self.answers().label
    }

    pub const fn whose(self) -> Responsible {
        self.answers().whose
    }

    /// One sentence for the agent to pass on to the customer.
    pub const fn customer_sentence(self) -> &'static str {
        self.answers().customer
    }

    /// One sentence for the agent: what to do.
    pub const fn advice(self) -> &'static str {
        self.answers().advice
    }

    pub const fn resend(self) -> ResendHelp {
        self.answers().resend
    }

    /// Whether it is about the recipient, the way there or the sender, and so is over once another message arrives; the other
    /// classes are about the one message alone.
    pub const fn passes(self) -> bool {
        match self {
            Self::AddressUnknown
            | Self::AccountInactive
            | Self::MailboxFull
            | Self::SenderBlocked
            | Self::PolicyRefused
            | Self::RecipientRestricted
            | Self::RateLimited
            | Self::Suppressed
            | Self::ServerUnavailable
            | Self::OurSettings
            | Self::Expired
            | Self::NumberInvalid
            | Self::PhoneUnreachable
            | Self::DeviceGone
            | Self::Unknown => true,
            Self::ContentRefused | Self::TooLarge | Self::CarrierRefused | Self::OutcomeUnknown | Self::Canceled => {
                false
            }
        }
    }

    /// Whether it is about this recipient, and not about the message, its sender or the way there.
    pub const fn is_about_recipient(self) -> bool {
        match self {
            Self::AddressUnknown
            | Self::AccountInactive
            | Self::MailboxFull
            | Self::RecipientRestricted
            | Self::Suppressed
            | Self::NumberInvalid
            | Self::PhoneUnreachable
            | Self::DeviceGone => true,
            Self::SenderBlocked
            | Self::ContentRefused
            | Self::PolicyRefused
            | Self::RateLimited
            | Self::ServerUnavailable
            | Self::TooLarge
            | Self::OurSettings
            | Self::Expired
            | Self::CarrierRefused
            | Self::OutcomeUnknown
            | Self::Canceled
            | Self::Unknown => false,
        }
    }

    const fn answers(self) -> Answers {
        match self {
            Self::AddressUnknown => Answers {
                name: "address_unknown",
                label: "The address does not exist",
                whose: Responsible::Recipient,
                customer: "The email address that we have for you does not seem to be in use; please tell us which \
                           one we should write to.",
                advice: "Look for a slip in the address, ask the customer for the right one, and have your application write to it.",
                resend: ResendHelp::AfterChange,
            },
            Self::AccountInactive => Answers {
                name: "account_inactive",
                label: "The mailbox is switched off",
                whose: Responsible::Recipient,
                customer: "Your mailbox is not accepting messages at the moment; please sign in to it once, or give \
                           us another address.",
                advice: "Ask the customer for another address, or to have the mailbox opened again.",
                resend: ResendHelp::AfterChange,
            },
            Self::MailboxFull => Answers {
                name: "mailbox_full",
                label: "The mailbox is full",
                whose: Responsible::Recipient,
                customer: "Your mailbox is full, so our message could not be placed in it; please make some room and tell \
                           us, and we send it again.",
                advice: "Ask the customer to make room, then resend.",
                resend: ResendHelp::AfterChange,
            },
            Self::SenderBlocked => Answers {
                name: "sender_blocked",
                label: "Our server is blocked",
                whose: Responsible::Sender,
                customer: "Your email provider is currently turning our messages away because of a problem on our \
                           side; please tell us if you still need it, and we send it again.",
                advice: "Tell whoever looks after sending: the block has to be lifted first; then resend all that \
                         met it.",
                resend: ResendHelp::AfterChange,
            },
            Self::ContentRefused => Answers {
                name: "content_refused",
                label: "The content was refused",
                whose: Responsible::Sender,
                customer: "Your email provider’s filter stopped our message because of its content; please tell us \
                           if you still need it, and we give you its contents another way.",
                advice: "Show the template’s author the server’s words: a link, an attachment or the wording has to \
                         change before it is sent again.",
                resend: ResendHelp::AfterChange,
            },
            Self::PolicyRefused => Answers {
                name: "policy_refused",
                label: "Refused by the server’s rules",
                whose: Responsible::Sender,
                customer: "Your email provider turned our message away because of a setting on our side; please \
                           tell us if you still need it, and we send it again.",
                advice: "Give the server’s words to whoever looks after your domain: SPF, DKIM, DMARC, TLS or \
                         reverse DNS has to be fixed first.",
                resend: ResendHelp::AfterChange,
            },
            Self::RecipientRestricted => Answers {
                name: "recipient_restricted",
                label: "The recipient accepts chosen senders only",
                whose: Responsible::RecipientProvider,
                customer: "Your mailbox only accepts messages from senders it knows; please add our address to the \
                           allowed senders, or ask the people who run your email to do so.",
                advice: "Ask the customer to allow your sender address, then resend.",
                resend: ResendHelp::AfterChange,
            },
            Self::RateLimited => Answers {
                name: "rate_limited",
                label: "The server asked us to slow down",
                whose: Responsible::Nobody,
                customer: "Your provider was busy and did not take our message when we tried; please tell us if you still \
                           need it, and we send it again.",
                advice: "Wait an hour or so and resend; if many messages meet this, send them more slowly.",
                resend: ResendHelp::Later,
            },
            Self::Suppressed => Answers {
                name: "suppressed",
                label: "Not sent: on the list of opted-out or failed addresses",
                whose: Responsible::Sender,
                customer: "We have stopped sending messages to you because they were declined or came back earlier; \
                           tell us if you would like to receive them again.",
                advice: "Ask the customer whether they want messages again; if so, take them off the list of suppressed \
                         addresses, here under Settings or at the provider, then resend.",
                resend: ResendHelp::AfterChange,
            },
            Self::ServerUnavailable => Answers {
                name: "server_unavailable",
                label: "The recipient’s server or network had a problem",
                whose: Responsible::RecipientProvider,
                customer: "The service that receives your messages could not take ours when we tried; please tell us if \
                           you still need it, and we send it again.",
                advice: "Resend in an hour or two; if it fails for days, ask the customer for another address.",
                resend: ResendHelp::Later,
            },
            Self::TooLarge => Answers {
                name: "too_large",
                label: "The message is too large",
                whose: Responsible::Sender,
                customer: "Our message was larger than your mailbox accepts; please tell us if you still need it, and we \
                           give you its contents another way.",
                advice: "Send it with a smaller attachment, or with a link in its place.",
                resend: ResendHelp::AfterChange,
            },
            Self::OurSettings => Answers {
                name: "our_settings",
                label: "Our sending settings are wrong",
                whose: Responsible::Sender,
                customer: "A fault on our side kept the message from being sent; please tell us if you still need it, \
                           and we send it again.",
                advice: "Tell whoever looks after the adapter: its log-in, sender address or account has to be \
                         fixed, then resend.",
                resend: ResendHelp::AfterChange,
            },
            Self::Expired => Answers {
                name: "expired",
                label: "Given up after many tries",
                whose: Responsible::Nobody,
                customer: "We tried to reach you for some time without success; please tell us if you still need our \
                           message, and we send it again.",
                advice: "Check that its links are still valid, then resend.",
                resend: ResendHelp::Now,
            },
            Self::NumberInvalid => Answers {
                name: "number_invalid",
                label: "The phone number cannot be used",
                whose: Responsible::Recipient,
                customer: "We cannot reach the phone number that we have for you; please tell us which one we should \
                           use.",
                advice: "Check the number and its country code: it is not in use, or a landline that takes no texts.",
                resend: ResendHelp::AfterChange,
            },
            Self::PhoneUnreachable => Answers {
                name: "phone_unreachable",
                label: "The phone could not be reached",
                whose: Responsible::Recipient,
                customer: "Your phone could not be reached, perhaps because it was switched off, busy or out of \
                           range; please tell us if you still need our message, and we send it again.",
                advice: "Try again in a few hours, or reach the customer another way.",
                resend: ResendHelp::Later,
            },
            Self::CarrierRefused => Answers {
                name: "carrier_refused",
                label: "The phone network refused it",
                whose: Responsible::RecipientProvider,
                customer: "Your mobile network did not let our message through; please tell us if you still need it, \
                           and we reach you another way.",
                advice: "Use another channel now, and have the provider check the sender’s registration and the text.",
                resend: ResendHelp::AfterChange,
            },
            Self::DeviceGone => Answers {
                name: "device_gone",
                label: "The device no longer takes notifications",
                whose: Responsible::Recipient,
                customer: "Your device is no longer registered for our notifications; please open the app once and \
                           allow them.",
                advice: "Reach the customer another way; the app registers the device again when it is opened.",
                resend: ResendHelp::AfterChange,
            },
            Self::OutcomeUnknown => Answers {
                name: "outcome_unknown",
                label: "It may have arrived",
                whose: Responsible::Sender,
                customer: "We cannot see whether our message reached you; please look for it and tell us if it is \
                           not there, and we send it again.",
                advice: "Ask the customer first: resending may deliver it twice.",
                resend: ResendHelp::Now,
            },
            Self::Canceled => Answers {
                name: "canceled",
                label: "Taken back before it was sent",
                whose: Responsible::Sender,
                customer: "We took this message back before it was sent, so nothing is missing in your inbox.",
                advice: "Nothing is to be done, unless it was taken back by mistake.",
                resend: ResendHelp::No,
            },
            Self::Unknown => Answers {
                name: "unknown",
                label: "The reason is not clear",
                whose: Responsible::Nobody,
                customer: "Our message did not reach you, and we cannot see why; please tell us if you still need it, and \
                           we send it again.",
                advice: "Read the server’s words; resend once, and pass it on if it fails again.",
                resend: ResendHelp::Later,
            },
        }
    }
}

impl std::str::FromStr for FailureClass {
    type Err = UnknownFailureClass;

    fn from_str(name: &str) -> Result<Self, UnknownFailureClass> {
        Self::ALL.into_iter().find(|class| class.as_str() == name).ok_or(UnknownFailureClass)
    }
}

impl Responsible {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::RecipientProvider => "recipient_provider",
            Self::Sender => "sender",
            Self::Nobody => "nobody",
        }
    }

    /// The answer to "whose problem is it?".
    pub const fn label(self) -> &'static str {
        match self {
            Self::Recipient => "The recipient’s",
            Self::RecipientProvider => "The recipient’s provider’s",
            Self::Sender => "Ours",
            Self::Nobody => "Nobody’s",
        }
    }
}

impl ResendHelp {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::AfterChange => "after_change",
            Self::Later => "later",
            Self::Now => "now",
        }
    }

    /// The answer to "does resending help?".
    pub const fn label(self) -> &'static str {
        match self {
            Self::No => "Does not help",
            Self::AfterChange => "Helps once something has changed",
            Self::Later => "Helps later",
            Self::Now => "Helps now",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rows_that_are_kept() {
        // A new class comes last, and none goes.
        let codes = FailureClass::ALL.map(|class| (class.code(), class.as_str()));
        assert_eq!((codes[0], codes[8]), ((0, "address_unknown"), (8, "suppressed")));
        assert_eq!((codes[18], codes[19]), ((18, "canceled"), (19, "unknown")));
        assert!(FailureClass::ALL.into_iter().all(|class| FailureClass::from_code(class.code()) == Some(class)));
        assert_eq!((FailureClass::from_code(-1), FailureClass::from_code(20)), (None, None));
    }

    #[test]
    fn names_read_back() {
        for class in FailureClass::ALL {
            assert_eq!(FailureClass::from_slug(&class.slug()), Some(class));
            assert_eq!(class.as_str().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.as_str());
        }
    }

    #[test]
    fn what_is_pasted_to_a_customer_is_one_plain_sentence() {
        let jargon =
            ["smtp", "dns", "spf", "dkim", "dmarc", "tls", "server", "bounce", "suppress", "spam", "mx", "ip "];
        for class in FailureClass::ALL {
            let text = class.customer_sentence();
            assert!(text.ends_with('.') && text.matches(". ").count() == 0, "{text}");
            assert!(!jargon.iter().any(|word| text.to_lowercase().contains(word)), "{text}");
            assert!(text.to_lowercase().contains("you"), "{text}");
        }
    }

    #[test]
    fn a_customer_is_promised_nothing_that_nobody_does_by_itself() {
        for class in FailureClass::ALL {
            let text = class.customer_sentence();
            for promise in ["we will", "we are ", "need not do anything", "once that is"] {
                assert!(!text.contains(promise), "{text}");
            }
            // What is sent again is asked for first.
            assert!(!text.contains("we send it again") || text.contains("tell us"), "{text}");
        }
    }
}
