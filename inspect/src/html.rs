//! temporary
/// x
#[derive(Debug, Clone, Default)]
pub struct HtmlOptions {}
/// x
pub fn write_html() {}
