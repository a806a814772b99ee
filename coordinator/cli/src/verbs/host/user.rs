//! Finds a user in the text of `/etc/passwd`. The C library is not used, because it would load plugins, even when linked
//! statically.

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) home: String,
}

/// Returns the user with this user ID.
pub(super) fn of(passwd: &str, uid: u32) -> Option<User> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            [name, _, number, _, _, home, ..] if number.parse() == Ok(uid) => {
                Some(User { name: (*name).to_owned(), home: (*home).to_owned() })
            }
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\n# 1000\nbroken:1000\nanna:x:1000:1000:Anna,,,:/home/anna:/bin/sh\n";
        let user = |uid| of(passwd, uid).map(|user| (user.name, user.home));
        assert_eq!(user(0), Some(("root".to_owned(), "/root".to_owned())));
        assert_eq!(user(1000), Some(("anna".to_owned(), "/home/anna".to_owned())));
        assert_eq!(user(7), None);
    }
}
