//! Store provider: a real SQLite database
