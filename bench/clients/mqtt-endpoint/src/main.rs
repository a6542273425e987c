pub(crate) fn main() {}
