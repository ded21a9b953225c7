// SPDX-License-Identifier: BSD-3-Clause

// The standard library is all there is to it.
module safeserial

go 1.19
