//! A gateway that ends as by `kill -9`: without a word to anybody.

use tokio::runtime::{Builder, Runtime};

use super::redis::joined;
use super::{Redis, TestGateway};

pub(crate) struct Doomed {
    runtime: Runtime,
    gateway: TestGateway,
}

impl Redis {
    /// A node that can be killed.
    pub(crate) async fn doomed(&self) -> Doomed {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let within = runtime.enter();
        let gateway = self.begin(|_| {});
        drop(within);
        joined(&gateway).await;
        Doomed { runtime, gateway }
    }
}

impl std::ops::Deref for Doomed {
    type Target = TestGateway;

    fn deref(&self) -> &TestGateway {
        &self.gateway
    }
}

impl Doomed {
    pub(crate) fn kill(self) {
        self.runtime.shutdown_background();
        // What it would do at its end isn't done.
        std::mem::forget(self.gateway);
    }
}
