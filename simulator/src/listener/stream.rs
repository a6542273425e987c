//! A connection's bytes, whatever they travel through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type AnyStream = Box<dyn Stream>;

/// A stream that fails once so many bytes were written: whatever travels through it is cut there.
pub(super) struct Cut<S> {
    pub(super) inner: S,
    /// How many bytes may still be written.
    pub(super) left: usize,
}

impl<S: AsyncWrite + Unpin> Cut<S> {
    /// As much of it as may be written.
    fn allowed<'a>(&self, data: &'a [u8]) -> io::Result<&'a [u8]> {
        if self.left == 0 && !data.is_empty() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(&data[..data.len().min(self.left)])
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cut<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cut<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let data = self.allowed(data)?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, data))?;
        self.left -= written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn it_is_cut_in_the_middle_of_a_write() {
        let (near, mut far) = tokio::io::duplex(64);
        let mut cut = Cut { inner: near, left: 3 };
        let error = cut.write_all(b"hello").await.expect_err("cut");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        drop(cut);
        let mut received = Vec::new();
        far.read_to_end(&mut received).await.expect("closed");
        assert_eq!(received, b"hel");
    }
}
