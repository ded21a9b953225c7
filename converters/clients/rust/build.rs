// SPDX-License-Identifier: BSD-3-Clause
//! Where the linker finds ONNX Runtime: `ORT_LIB_LOCATION`, or its own path.
use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ORT_LIB_LOCATION");
    if let Ok(folder) = env::var("ORT_LIB_LOCATION") {
        println!("cargo:rustc-link-search=native={folder}");
    }
    println!("cargo:rustc-link-lib=dylib=onnxruntime");
}
