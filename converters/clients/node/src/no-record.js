// SPDX-License-Identifier: BSD-3-Clause
// Some builds of ONNX Runtime keep usage data in the user's home unless told not to before they load.
process.env.ORT_DISABLE_TELEMETRY ??= '1';
