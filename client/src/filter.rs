//! What `subscribe` and `unsubscribe` take: one topic filter or many, with or without options.

use sterna_core::packet::{QoS, SubscribeOptions};

/// A topic filter with its options; without any it takes what the subscribe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(crate) filter: String,
    pub(crate) options: Option<SubscribeOptions>,
}

impl From<&str> for Filter {
    fn from(filter: &str) -> Self {
        Self { filter: filter.into(), options: None }
    }
}

impl From<&&str> for Filter {
    fn from(filter: &&str) -> Self {
        (*filter).into()
    }
}

impl From<String> for Filter {
    fn from(filter: String) -> Self {
        Self { filter, options: None }
    }
}

impl From<&String> for Filter {
    fn from(filter: &String) -> Self {
        filter.as_str().into()
    }
}

impl<F: Into<String>> From<(F, QoS)> for Filter {
    fn from((filter, qos): (F, QoS)) -> Self {
        (filter, SubscribeOptions { qos, ..SubscribeOptions::default() }).into()
    }
}

impl<F: Into<String>> From<(F, SubscribeOptions)> for Filter {
    fn from((filter, options): (F, SubscribeOptions)) -> Self {
        Self { filter: filter.into(), options: Some(options) }
    }
}

/// One topic filter or many: a string, a pair of filter and [`QoS`] or [`SubscribeOptions`], or an array, slice
/// or vector of such.
pub trait IntoFilters {
    /// The filters.
    fn into_filters(self) -> Vec<Filter>;
}

macro_rules! one_filter {
    ($($type:ty),*) => {$(
        impl IntoFilters for $type {
            fn into_filters(self) -> Vec<Filter> {
                vec![self.into()]
            }
        }
    )*};
}

one_filter!(&str, String, &String);

impl IntoFilters for Filter {
    fn into_filters(self) -> Vec<Filter> {
        vec![self]
    }
}

impl<F, O> IntoFilters for (F, O)
where
    Filter: From<(F, O)>,
{
    fn into_filters(self) -> Vec<Filter> {
        vec![self.into()]
    }
}

impl<F: Into<Filter>, const N: usize> IntoFilters for [F; N] {
    fn into_filters(self) -> Vec<Filter> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<F: Into<Filter>> IntoFilters for Vec<F> {
    fn into_filters(self) -> Vec<Filter> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<F: Clone + Into<Filter>> IntoFilters for &[F] {
    fn into_filters(self) -> Vec<Filter> {
        self.iter().cloned().map(Into::into).collect()
    }
}

impl<F: Clone + Into<Filter>, const N: usize> IntoFilters for &[F; N] {
    fn into_filters(self) -> Vec<Filter> {
        self.as_slice().into_filters()
    }
}

impl<F: Clone + Into<Filter>> IntoFilters for &Vec<F> {
    fn into_filters(self) -> Vec<Filter> {
        self.as_slice().into_filters()
    }
}
