//! WIT bindings of secure-log and the one bridge between them and the domain traits
