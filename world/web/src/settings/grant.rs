//! The part of a grant that several capabilities have, written down once.
//!
//! It is a macro and not a struct inside a struct: an operator writes all keys side by side, and what serde flattens loses
//! the places of mistakes and what might have been meant.

/// A struct of settings with the keys of its own, and behind them those that all have: whom an endpoint may be. With
/// `recipe` in front also those of a service that the stack may describe.
macro_rules! grant {
    (recipe $(#[$about:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::settings::grant! {
            $(#[$about])*
            pub struct $name {
                $($own)*
                /// Where it listens. `{@credential}` and `{$NAME}` of `values` may stand in it.
                pub url: Option<String>,
                /// How the credential is shown: `basic`, `bearer`, `none`, `{scheme: WORD}`, `{header: NAME}`.
                pub auth: Option<$crate::recipe::Auth>,
                /// Who goes with it: then it is shown as `basic`.
                pub user: Option<String>,
                /// `POST`, `PUT` or `PATCH`.
                pub method: Option<String>,
                /// Further headers.
                pub headers: std::collections::BTreeMap<String, String>,
                /// What the texts of the other settings have as `{$NAME}`.
                pub values: std::collections::BTreeMap<String, String>,
                /// A body of one's own, as JSON.
                pub json: Option<serde_json::Value>,
                /// A body of one's own, as a form.
                pub form: Option<std::collections::BTreeMap<String, String>>,
                /// What answers mean, before what is known of the service.
                pub answers: Vec<$crate::recipe::Rule>,
                /// Where in a JSON answer its name for what was done stands.
                pub said: Option<String>,
            }
        }

        impl $name {
            /// What of the service's recipe is wanted otherwise.
            fn recipe(&self) -> $crate::recipe::Recipe {
                let value = |(name, text): (&String, &String)| (name.clone(), Some(text.clone()));
                $crate::recipe::Recipe {
                    url: self.url.clone(),
                    method: self.method.clone(),
                    auth: self.auth.clone(),
                    user: self.user.clone(),
                    headers: self.headers.clone(),
                    values: self.values.iter().map(value).collect(),
                    json: self.json.clone(),
                    form: self.form.clone(),
                    answers: self.answers.clone(),
                    said: self.said.clone(),
                    ..Default::default()
                }
            }
        }
    };
    ($(#[$about:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($own)*
            /// Whether it may be in a private network or on this machine.
            pub private: bool,
            /// The networks that it may be in, and no others.
            pub networks: Vec<$crate::settings::Network>,
            /// Who may sign its certificate, as a file in PEM; the system's authorities if nothing is said.
            pub ca: Option<std::path::PathBuf>,
            /// By way of this proxy.
            pub proxy: Option<String>,
            /// How long connecting may take, `5s` if nothing is said.
            pub connect_timeout: Option<$crate::settings::Span>,
            /// How long all of it may take, `30s` if nothing is said.
            pub timeout: Option<$crate::settings::Span>,
        }

        impl $name {
            pub(super) fn reach(&self) -> $crate::client::Reach {
                $crate::client::Reach {
                    private: self.private,
                    networks: self.networks.clone(),
                    ca: self.ca.clone(),
                    proxy: self.proxy.clone(),
                    connect_timeout: self.connect_timeout,
                    timeout: self.timeout,
                }
            }
        }
    };
}

pub(crate) use grant;
