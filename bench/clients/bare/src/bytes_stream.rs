//! Whatever is a stream of bytes by itself: TCP, and tokio-rustls over it.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{CHUNK, Stream};

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {
    async fn send(&mut self, bytes: &Bytes) {
        self.write_all(bytes).await.expect("the sink takes it");
        self.flush().await.expect("the sink takes it");
    }

    async fn receive(&mut self, input: &mut BytesMut) {
        input.reserve(CHUNK);
        assert!(self.read_buf(input).await.expect("the sink sends") > 0, "the sink has closed");
    }
}
