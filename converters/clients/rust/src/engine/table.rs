// SPDX-License-Identifier: BSD-3-Clause
// The table of functions of ONNX Runtime, to which releases only append. The entries used here are all
// of its first version; those between them are left out by number.
use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, size_of};

pub(super) type Raw = *mut c_void;
/// Null, or what went wrong.
pub(super) type Status = *mut c_void;
pub(super) type Release = unsafe extern "C" fn(Raw);
pub(super) type GetName = unsafe extern "C" fn(Raw, usize, Raw, *mut *mut c_char) -> Status;
pub(super) type GetTypeInfo = unsafe extern "C" fn(Raw, usize, *mut Raw) -> Status;
pub(super) type GetCount = unsafe extern "C" fn(Raw, *mut usize) -> Status;
pub(super) type Skipped<const N: usize> = [Option<unsafe extern "C" fn()>; N];

#[repr(C)]
pub(super) struct Base {
    pub(super) get_api: unsafe extern "C" fn(u32) -> *const Api,
    pub(super) get_version: unsafe extern "C" fn() -> *const c_char,
}

#[repr(C)]
pub(super) struct Api {
    _0: Skipped<2>,
    pub(super) get_error_message: unsafe extern "C" fn(Status) -> *const c_char,
    pub(super) create_env: unsafe extern "C" fn(c_int, *const c_char, *mut Raw) -> Status,
    _4: Skipped<4>,
    pub(super) create_session_from_array:
        unsafe extern "C" fn(Raw, *const c_void, usize, Raw, *mut Raw) -> Status,
    pub(super) run: unsafe extern "C" fn(
        Raw,
        Raw,
        *const *const c_char,
        *const Raw,
        usize,
        *const *const c_char,
        usize,
        *mut Raw,
    ) -> Status,
    pub(super) create_session_options: unsafe extern "C" fn(*mut Raw) -> Status,
    _11: Skipped<11>,
    pub(super) set_session_log_severity_level: unsafe extern "C" fn(Raw, c_int) -> Status,
    _23: Skipped<7>,
    pub(super) session_get_input_count: GetCount,
    pub(super) session_get_output_count: GetCount,
    _32: Skipped<1>,
    pub(super) session_get_input_type_info: GetTypeInfo,
    _34: Skipped<2>,
    pub(super) session_get_input_name: GetName,
    pub(super) session_get_output_name: GetName,
    _38: Skipped<10>,
    pub(super) create_tensor_as_ort_value:
        unsafe extern "C" fn(Raw, *const i64, usize, c_int, *mut Raw) -> Status,
    pub(super) create_tensor_with_data_as_ort_value:
        unsafe extern "C" fn(Raw, Raw, usize, *const i64, usize, c_int, *mut Raw) -> Status,
    pub(super) is_tensor: unsafe extern "C" fn(Raw, *mut c_int) -> Status,
    pub(super) get_tensor_mutable_data: unsafe extern "C" fn(Raw, *mut Raw) -> Status,
    pub(super) fill_string_tensor: unsafe extern "C" fn(Raw, *const *const c_char, usize) -> Status,
    pub(super) get_string_tensor_data_length: GetCount,
    pub(super) get_string_tensor_content:
        unsafe extern "C" fn(Raw, *mut u8, usize, *mut usize, usize) -> Status,
    pub(super) cast_type_info_to_tensor_info: unsafe extern "C" fn(Raw, *mut Raw) -> Status,
    _56: Skipped<4>,
    pub(super) get_tensor_element_type: unsafe extern "C" fn(Raw, *mut c_int) -> Status,
    pub(super) get_dimensions_count: GetCount,
    pub(super) get_dimensions: unsafe extern "C" fn(Raw, *mut i64, usize) -> Status,
    pub(super) get_symbolic_dimensions:
        unsafe extern "C" fn(Raw, *mut *const c_char, usize) -> Status,
    pub(super) get_tensor_shape_element_count: GetCount,
    pub(super) get_tensor_type_and_shape: unsafe extern "C" fn(Raw, *mut Raw) -> Status,
    _66: Skipped<3>,
    pub(super) create_cpu_memory_info: unsafe extern "C" fn(c_int, c_int, *mut Raw) -> Status,
    _70: Skipped<6>,
    pub(super) allocator_free: unsafe extern "C" fn(Raw, Raw) -> Status,
    _77: Skipped<1>,
    pub(super) get_allocator_with_default_options: unsafe extern "C" fn(*mut Raw) -> Status,
    _79: Skipped<13>,
    pub(super) release_env: Release,
    pub(super) release_status: Release,
    pub(super) release_memory_info: Release,
    pub(super) release_session: Release,
    pub(super) release_value: Release,
    _97: Skipped<1>,
    pub(super) release_type_info: Release,
    pub(super) release_tensor_type_and_shape_info: Release,
    pub(super) release_session_options: Release,
}

// A slip in the numbers above does not compile.
const SLOT: usize = size_of::<usize>();
const _: () = assert!(offset_of!(Api, run) == 9 * SLOT);
const _: () = assert!(offset_of!(Api, set_session_log_severity_level) == 22 * SLOT);
const _: () = assert!(offset_of!(Api, session_get_input_name) == 36 * SLOT);
const _: () = assert!(offset_of!(Api, fill_string_tensor) == 52 * SLOT);
const _: () = assert!(offset_of!(Api, get_tensor_type_and_shape) == 65 * SLOT);
const _: () = assert!(offset_of!(Api, allocator_free) == 76 * SLOT);
const _: () = assert!(offset_of!(Api, release_session_options) == 100 * SLOT);
