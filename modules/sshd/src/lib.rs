//! OpenSSH sessions, failed logins and attacks.
