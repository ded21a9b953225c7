// SPDX-License-Identifier: BSD-3-Clause
// Tensors on our side of the engine: what inputs take and outputs hold.
use std::ffi::{c_int, CString};

/// What a column or an output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// Numbers of 32 bits.
    Float32,
    /// Numbers of 64 bits.
    Float64,
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Texts.
    String,
    /// True or false.
    Bool,
}

impl ElementType {
    /// The name, as the other clients have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::String => "string",
            Self::Bool => "bool",
        }
    }

    /// The type with this number in the engine's list.
    pub(crate) fn of(number: c_int) -> Option<Self> {
        match number {
            1 => Some(Self::Float32),
            6 => Some(Self::Int32),
            7 => Some(Self::Int64),
            8 => Some(Self::String),
            9 => Some(Self::Bool),
            11 => Some(Self::Float64),
            _ => None,
        }
    }
}

/// One dimension of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// So many.
    Fixed(i64),
    /// As many as there are; the name is the graph's.
    Open(String),
}

/// An input of the model: a column, or an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The column's name.
    pub name: String,
    /// What it holds.
    pub element_type: ElementType,
    /// Rows first.
    pub shape: Vec<Dimension>,
}

/// The elements of a tensor.
pub(crate) enum Elements {
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    String(Vec<CString>),
    Bool(Vec<u8>),
}

/// Elements and how they stand.
pub(crate) struct Tensor {
    pub(crate) elements: Elements,
    pub(crate) shape: Vec<i64>,
}
