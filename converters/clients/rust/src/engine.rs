// SPDX-License-Identifier: BSD-3-Clause
// ONNX Runtime through its stable C interface: the one file with unsafe code in it.
mod table;

use self::table::{Api, Base, GetCount, GetName, Raw, Release, Status};
use crate::errors::{Code, Error};
use crate::tensors::{Dimension, ElementType, Elements, Input, Tensor};
use std::ffi::{c_char, c_int, CStr, CString};
use std::mem::size_of_val;
use std::ptr::{null, null_mut};

const FIRST_VERSION: u32 = 1;
const WARN_OF_ERRORS: c_int = 3;
const ARENA_ALLOCATOR: c_int = 1;
const DEFAULT_MEMORY: c_int = 0;
const NO_RECORD: &str = "ORT_DISABLE_TELEMETRY";

extern "C" {
    fn OrtGetApiBase() -> *const Base;
}

/// Something of the engine's that is given back when it is no longer needed.
struct Owned {
    raw: Raw,
    release: Release,
}

impl Drop for Owned {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: made by the engine for us, not null, released once, by the function for its kind.
            unsafe { (self.release)(self.raw) }
        }
    }
}

/// A model that the engine has loaded.
pub(crate) struct Session {
    api: &'static Api,
    loaded: Owned,
    memory: Owned,
    input_names: Vec<CString>,
    output_names: Vec<CString>,
    inputs: Vec<Input>,
    _env: Owned, // dropped last
}

// SAFETY: the engine documents that a session may be used by several threads at once; the rest is only read.
unsafe impl Send for Session {}
// SAFETY: as above.
unsafe impl Sync for Session {}

fn failed(what: &str, hint: &str) -> Error {
    Error::new(Code::Runtime, what, hint)
}

impl Api {
    fn find() -> Result<&'static Self, Error> {
        // Some builds keep usage data in the user's home unless told not to before they begin.
        if std::env::var_os(NO_RECORD).is_none() {
            std::env::set_var(NO_RECORD, "1");
        }
        // SAFETY: the engine's one exported function; the tables it leads to live as long as the library.
        let api = unsafe {
            let base = OrtGetApiBase();
            if base.is_null() {
                null()
            } else {
                ((*base).get_api)(FIRST_VERSION)
            }
        };
        // SAFETY: null, or the table of at least the first version.
        unsafe { api.as_ref() }
            .ok_or_else(|| failed("this is no ONNX Runtime 1.x", "take a release of 1.x"))
    }

    fn check(&self, status: Status, what: &str, hint: &str) -> Result<(), Error> {
        if status.is_null() {
            return Ok(());
        }
        let status = Owned { raw: status, release: self.release_status };
        // SAFETY: the status is not null; its message is a C string that lives as long as it does.
        let message = unsafe { CStr::from_ptr((self.get_error_message)(status.raw)) };
        Err(failed(&format!("{what}: {}", message.to_string_lossy()), hint))
    }

    /// Take what a function of the engine makes.
    fn made(
        &self,
        release: Release,
        what: &str,
        hint: &str,
        make: impl FnOnce(*mut Raw) -> Status,
    ) -> Result<Owned, Error> {
        let mut raw = null_mut();
        let status = make(&mut raw);
        self.check(status, what, hint)?;
        if raw.is_null() {
            return Err(failed(what, hint));
        }
        Ok(Owned { raw, release })
    }

    /// Ask for a number.
    fn count(&self, ask: GetCount, of: Raw) -> Result<usize, Error> {
        let mut found = 0;
        // SAFETY: `of` is alive and of the kind that `ask` is for, by our only callers.
        let status = unsafe { ask(of, &mut found) };
        self.check(status, "the engine cannot tell a size", LOAD_HINT)?;
        Ok(found)
    }
}

const LOAD_HINT: &str = "convert the model again, with this version of the engine in mind";
const RUN_HINT: &str = "look at the rows";

impl Session {
    /// Load a model; the engine keeps a copy of what it needs.
    pub(crate) fn new(model: &[u8]) -> Result<Self, Error> {
        let api = Api::find()?;
        let what = "the engine does not start";
        // SAFETY: the name is a C string; the engine fills the place it is given, here and below.
        let env = api.made(api.release_env, what, LOAD_HINT, |to| unsafe {
            (api.create_env)(WARN_OF_ERRORS, c"safeserial-onnx".as_ptr(), to)
        })?;
        // SAFETY: as above.
        let options = api.made(api.release_session_options, what, LOAD_HINT, |to| unsafe {
            (api.create_session_options)(to)
        })?;
        // SAFETY: the options are alive.
        let status = unsafe { (api.set_session_log_severity_level)(options.raw, WARN_OF_ERRORS) };
        api.check(status, what, LOAD_HINT)?;
        let what = "the engine cannot load the model";
        // SAFETY: the bytes are alive for the call, after which the engine does not look at them again.
        let session = api.made(api.release_session, what, LOAD_HINT, |to| unsafe {
            (api.create_session_from_array)(
                env.raw,
                model.as_ptr().cast(),
                model.len(),
                options.raw,
                to,
            )
        })?;
        // SAFETY: as above.
        let memory = api.made(api.release_memory_info, what, LOAD_HINT, |to| unsafe {
            (api.create_cpu_memory_info)(ARENA_ALLOCATOR, DEFAULT_MEMORY, to)
        })?;
        let count = api.count(api.session_get_input_count, session.raw)?;
        let input_names = names(api, session.raw, count, api.session_get_input_name)?;
        let inputs =
            input_names.iter().enumerate().map(|(at, name)| input(api, session.raw, at, name));
        let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
        let count = api.count(api.session_get_output_count, session.raw)?;
        let output_names = names(api, session.raw, count, api.session_get_output_name)?;
        Ok(Self { api, loaded: session, memory, input_names, output_names, inputs, _env: env })
    }

    pub(crate) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    pub(crate) fn outputs(&self) -> Vec<String> {
        self.output_names.iter().map(|one| one.to_string_lossy().into_owned()).collect()
    }

    /// Run the model on one tensor for each input; return one for each output.
    pub(crate) fn run(&self, feed: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        let api = self.api;
        if feed.len() != self.input_names.len() {
            return Err(failed("the model takes another number of inputs", RUN_HINT));
        }
        let lent = feed.iter().map(|one| self.lend(one)).collect::<Result<Vec<_>, _>>()?;
        let raw_inputs: Vec<Raw> = lent.iter().map(|one| one.raw).collect();
        let input_names: Vec<*const c_char> =
            self.input_names.iter().map(|one| one.as_ptr()).collect();
        let output_names: Vec<*const c_char> =
            self.output_names.iter().map(|one| one.as_ptr()).collect();
        let mut raw_outputs: Vec<Raw> = vec![null_mut(); output_names.len()];
        // SAFETY: names and values are alive, and as many as is said; the outputs are null, to be filled.
        let status = unsafe {
            (api.run)(
                self.loaded.raw,
                null_mut(),
                input_names.as_ptr(),
                raw_inputs.as_ptr(),
                raw_inputs.len(),
                output_names.as_ptr(),
                output_names.len(),
                raw_outputs.as_mut_ptr(),
            )
        };
        let release = api.release_value;
        let outputs: Vec<Owned> =
            raw_outputs.into_iter().map(|raw| Owned { raw, release }).collect();
        api.check(status, "the model failed", RUN_HINT)?;
        outputs.iter().map(|one| taken(api, one.raw)).collect()
    }

    /// Make a value of the engine's from a tensor, which has to outlive it unless it holds texts.
    fn lend(&self, tensor: &Tensor) -> Result<Owned, Error> {
        match &tensor.elements {
            Elements::Float32(all) => self.numbers(all, 1, &tensor.shape),
            Elements::Int32(all) => self.numbers(all, 6, &tensor.shape),
            Elements::Int64(all) => self.numbers(all, 7, &tensor.shape),
            Elements::Bool(all) => self.numbers(all, 9, &tensor.shape),
            Elements::Float64(all) => self.numbers(all, 11, &tensor.shape),
            Elements::String(all) => self.texts(all, &tensor.shape),
        }
    }

    fn numbers<T: Copy>(&self, all: &[T], kind: c_int, shape: &[i64]) -> Result<Owned, Error> {
        let data = all.as_ptr().cast_mut().cast();
        // SAFETY: the engine checks that the bytes are enough for the shape, and does not write to inputs.
        self.api.made(self.api.release_value, "the rows do not fit", RUN_HINT, |to| unsafe {
            let create = self.api.create_tensor_with_data_as_ort_value;
            create(self.memory.raw, data, size_of_val(all), shape.as_ptr(), shape.len(), kind, to)
        })
    }

    fn texts(&self, all: &[CString], shape: &[i64]) -> Result<Owned, Error> {
        let api = self.api;
        let allocator = allocator(api)?;
        // SAFETY: the allocator is the engine's own, the shape as long as is said.
        let value = api.made(api.release_value, "the rows do not fit", RUN_HINT, |to| unsafe {
            (api.create_tensor_as_ort_value)(allocator, shape.as_ptr(), shape.len(), 8, to)
        })?;
        let raw: Vec<*const c_char> = all.iter().map(|one| one.as_ptr()).collect();
        // SAFETY: C strings, as many as is said, which the engine checks and copies.
        let status = unsafe { (api.fill_string_tensor)(value.raw, raw.as_ptr(), raw.len()) };
        api.check(status, "the rows do not fit", RUN_HINT)?;
        Ok(value)
    }
}

/// The engine's own allocator, which is not released.
fn allocator(api: &Api) -> Result<Raw, Error> {
    let mut found = null_mut();
    // SAFETY: the engine fills the place.
    let status = unsafe { (api.get_allocator_with_default_options)(&mut found) };
    api.check(status, "the engine has no memory", LOAD_HINT)?;
    Ok(found)
}

fn names(api: &Api, session: Raw, count: usize, ask: GetName) -> Result<Vec<CString>, Error> {
    let allocator = allocator(api)?;
    let mut found = Vec::new();
    for at in 0..count {
        let mut raw = null_mut();
        // SAFETY: the session is alive, the number below the count; the name is ours to give back.
        let status = unsafe { ask(session, at, allocator, &mut raw) };
        api.check(status, "the engine cannot tell a name", LOAD_HINT)?;
        // SAFETY: a C string, copied before it is given back to the allocator it came from.
        let (name, status) = unsafe {
            (CStr::from_ptr(raw).to_owned(), (api.allocator_free)(allocator, raw.cast()))
        };
        api.check(status, "the engine cannot free a name", LOAD_HINT)?;
        found.push(name);
    }
    Ok(found)
}

fn input(api: &Api, session: Raw, at: usize, name: &CStr) -> Result<Input, Error> {
    let name = name.to_string_lossy().into_owned();
    let what = format!("input {name} is of a kind that is not read here");
    let refused = || {
        Error::new(Code::Unsupported, what.as_str(), "convert the model with one tensor a column")
    };
    // SAFETY: the session is alive, the number below the count.
    let info = api.made(api.release_type_info, &what, LOAD_HINT, |to| unsafe {
        (api.session_get_input_type_info)(session, at, to)
    })?;
    let mut tensor = null_mut();
    // SAFETY: the info is alive; what is found belongs to it, and is null where it is no tensor.
    let status = unsafe { (api.cast_type_info_to_tensor_info)(info.raw, &mut tensor) };
    api.check(status, &what, LOAD_HINT)?;
    if tensor.is_null() {
        return Err(refused());
    }
    let (kind, sizes) = form(api, tensor)?;
    let mut open: Vec<*const c_char> = vec![null(); sizes.len()];
    // SAFETY: room for as many pointers as is said; the names live as long as the info.
    let status = unsafe { (api.get_symbolic_dimensions)(tensor, open.as_mut_ptr(), open.len()) };
    api.check(status, &what, LOAD_HINT)?;
    let dimension = |(size, name): (&i64, &*const c_char)| match (*size >= 0, name.is_null()) {
        (true, _) => Dimension::Fixed(*size),
        (false, true) => Dimension::Open(String::new()),
        (false, false) => {
            // SAFETY: not null, so a C string that lives as long as the info.
            let name = unsafe { CStr::from_ptr(*name) };
            Dimension::Open(name.to_string_lossy().into_owned())
        }
    };
    let shape = sizes.iter().zip(&open).map(dimension).collect();
    Ok(Input { name, element_type: ElementType::of(kind).ok_or_else(refused)?, shape })
}

/// Type of the elements and sizes of the dimensions.
fn form(api: &Api, tensor: Raw) -> Result<(c_int, Vec<i64>), Error> {
    let what = "the engine cannot tell a shape";
    let mut kind = 0;
    // SAFETY: the info is alive; the engine fills the place.
    let status = unsafe { (api.get_tensor_element_type)(tensor, &mut kind) };
    api.check(status, what, LOAD_HINT)?;
    let mut sizes = vec![0; api.count(api.get_dimensions_count, tensor)?];
    // SAFETY: room for as many numbers as is said.
    let status = unsafe { (api.get_dimensions)(tensor, sizes.as_mut_ptr(), sizes.len()) };
    api.check(status, what, LOAD_HINT)?;
    Ok((kind, sizes))
}

/// Copy an output.
fn taken(api: &Api, value: Raw) -> Result<Tensor, Error> {
    let what = "an output is no tensor of numbers or texts";
    let hint = "convert the model with zipmap off";
    let refused = || Error::new(Code::Unsupported, what, hint);
    if value.is_null() {
        return Err(refused());
    }
    let mut is_tensor = 0;
    // SAFETY: the value is alive.
    let status = unsafe { (api.is_tensor)(value, &mut is_tensor) };
    api.check(status, what, hint)?;
    if is_tensor == 0 {
        return Err(refused());
    }
    // SAFETY: the value is a tensor that is alive.
    let info = api.made(api.release_tensor_type_and_shape_info, what, hint, |to| unsafe {
        (api.get_tensor_type_and_shape)(value, to)
    })?;
    let (kind, shape) = form(api, info.raw)?;
    let count = api.count(api.get_tensor_shape_element_count, info.raw)?;
    let kind = ElementType::of(kind).ok_or_else(refused)?;
    let elements = match kind {
        ElementType::String => Elements::String(texts_of(api, value, count)?),
        // SAFETY: the element type is the one that the engine says, and so is the count.
        ElementType::Float32 => Elements::Float32(unsafe { copied(api, value, count)? }),
        // SAFETY: as above.
        ElementType::Float64 => Elements::Float64(unsafe { copied(api, value, count)? }),
        // SAFETY: as above.
        ElementType::Int32 => Elements::Int32(unsafe { copied(api, value, count)? }),
        // SAFETY: as above.
        ElementType::Int64 => Elements::Int64(unsafe { copied(api, value, count)? }),
        // SAFETY: as above; a byte each, whatever is in it.
        ElementType::Bool => Elements::Bool(unsafe { copied(api, value, count)? }),
    };
    Ok(Tensor { elements, shape })
}

/// Copy the numbers of a tensor.
///
/// # Safety
/// The value is a tensor of `count` elements of type `T`, for which any bytes are good.
unsafe fn copied<T: Copy>(api: &Api, value: Raw, count: usize) -> Result<Vec<T>, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut data = null_mut();
    // SAFETY: the value is a tensor.
    let status = unsafe { (api.get_tensor_mutable_data)(value, &mut data) };
    api.check(status, "the engine hides an output", RUN_HINT)?;
    if data.is_null() {
        return Err(failed("the engine hides an output", RUN_HINT));
    }
    // SAFETY: as many elements as the caller says, aligned by the engine, copied while the value lives.
    Ok(unsafe { std::slice::from_raw_parts(data.cast::<T>(), count) }.to_vec())
}

fn texts_of(api: &Api, value: Raw, count: usize) -> Result<Vec<CString>, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let broken = || failed("the engine gives texts in another form", RUN_HINT);
    let length = api.count(api.get_string_tensor_data_length, value)?;
    let (mut bytes, mut starts) = (vec![0_u8; length], vec![0_usize; count]);
    // SAFETY: room for as many bytes and numbers as is said.
    let status = unsafe {
        (api.get_string_tensor_content)(
            value,
            bytes.as_mut_ptr(),
            length,
            starts.as_mut_ptr(),
            count,
        )
    };
    api.check(status, "the engine hides an output", RUN_HINT)?;
    let ends = starts.iter().skip(1).copied().chain([length]);
    let text = |(from, to): (usize, usize)| {
        let text = bytes.get(from..to).ok_or_else(broken)?;
        CString::new(text).map_err(|_| broken())
    };
    starts.iter().copied().zip(ends).map(text).collect()
}

/// The version of the engine.
pub(crate) fn version() -> Option<String> {
    // SAFETY: the engine's one exported function, whose table lives as long as the library.
    let base = unsafe { OrtGetApiBase().as_ref() }?;
    // SAFETY: a C string that lives as long as the library.
    let text = unsafe { CStr::from_ptr((base.get_version)()) };
    Some(text.to_string_lossy().into_owned())
}
