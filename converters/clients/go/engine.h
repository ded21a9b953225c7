// SPDX-License-Identifier: BSD-3-Clause
// ONNX Runtime's C interface: a table of functions, by number, which only grows.  For engine.go alone.
#ifndef SAFESERIAL_ENGINE_H
#define SAFESERIAL_ENGINE_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Everything that belongs to the engine is opaque. Each function below returns NULL, or what went wrong
// as text to free.
typedef void *thing;
static const thing *api;
static thing environment, allocator;
#define OF(slot, ...) ((thing (*)(__VA_ARGS__))api[slot])
#define FREE(slot, one) ((void (*)(thing))api[slot])(one)
enum {
	GetErrorMessage = 2, CreateEnv = 3, CreateSessionFromArray = 8, Run = 9, CreateSessionOptions = 10,
	InputCount = 30, OutputCount = 31, InputType = 33, OutputType = 34, InputName = 36, OutputName = 37,
	CreateTensor = 48, IsTensor = 50, TensorData = 51, FillTexts = 52, TextsLength = 53, TextsContent = 54,
	AsTensorInfo = 55, ElementType = 60, DimensionsCount = 61, Dimensions = 62, ElementCount = 64,
	TypeAndShape = 65, AllocatorFree = 76, DefaultAllocator = 78, ReleaseStatus = 93, ReleaseSession = 95,
	ReleaseValue = 96, ReleaseTypeInfo = 98, ReleaseTypeAndShape = 99, ReleaseOptions = 100,
	MostDimensions = 8, Strings = 8, Fatal = 4,
};

static char *told(thing status) {
	if (!status) return NULL;
	char *copy = strdup(((const char *(*)(thing))api[GetErrorMessage])(status));
	FREE(ReleaseStatus, status);
	return copy;
}

static char *start(const char *library) {
	// Some builds keep usage data in the user's home unless told not to.
	setenv("ORT_DISABLE_TELEMETRY", "1", 0);
	thing opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	if (!opened) return strdup(dlerror());
	typedef struct { const thing *(*table)(uint32_t); const char *(*version)(void); } base;
	const base *(*entry)(void) = (const base *(*)(void))dlsym(opened, "OrtGetApiBase");
	if (!entry) return strdup("it is not ONNX Runtime");
	const thing *found = entry()->table(1); // every slot above is in version 1
	if (!found) return strdup("it does not have version 1 of the interface");
	api = found;
	char *wrong = told(OF(CreateEnv, int, const char *, thing *)(Fatal, "safeserial", &environment));
	return wrong ? wrong : told(OF(DefaultAllocator, thing *)(&allocator));
}

static char *load(const void *data, size_t size, thing *session) {
	thing options = NULL;
	char *wrong = told(OF(CreateSessionOptions, thing *)(&options));
	if (wrong) return wrong;
	wrong = told(OF(CreateSessionFromArray, thing, const void *, size_t, thing, thing *)(
		environment, data, size, options, session));
	FREE(ReleaseOptions, options);
	return wrong;
}

static char *ends(thing session, int out, size_t *count) {
	return told(OF(out ? OutputCount : InputCount, thing, size_t *)(session, count));
}

static char *name(thing session, int out, size_t at, char **copy) {
	char *found = NULL;
	char *wrong = told(OF(out ? OutputName : InputName, thing, size_t, thing, char **)(session, at, allocator, &found));
	if (wrong) return wrong;
	*copy = strdup(found);
	return told(OF(AllocatorFree, thing, void *)(allocator, found));
}

// A type of 0 is that of what is no tensor.
static char *shape(thing info, int *type, size_t *rank, int64_t *dims) {
	char *wrong = told(OF(ElementType, thing, int *)(info, type));
	if (!wrong) wrong = told(OF(DimensionsCount, thing, size_t *)(info, rank));
	if (wrong) return wrong;
	if (*rank > MostDimensions) return strdup("a tensor has more than 8 dimensions");
	return told(OF(Dimensions, thing, int64_t *, size_t)(info, dims, *rank));
}

static char *typed(thing session, size_t at, int *type, size_t *rank, int64_t *dims) {
	thing info = NULL, tensor = NULL;
	char *wrong = told(OF(InputType, thing, size_t, thing *)(session, at, &info));
	if (wrong) return wrong;
	wrong = told(OF(AsTensorInfo, thing, thing *)(info, &tensor));
	if (!wrong && tensor) wrong = shape(tensor, type, rank, dims);
	FREE(ReleaseTypeInfo, info);
	return wrong;
}

static char *make(int type, const int64_t *dims, size_t rank, thing *value, void **data) {
	char *wrong = told(OF(CreateTensor, thing, const int64_t *, size_t, int, thing *)(allocator, dims, rank, type, value));
	return wrong || type == Strings ? wrong : told(OF(TensorData, thing, void **)(*value, data));
}

// The texts stand one after the other, each with its zero.
static char *fill(thing value, const char *texts, size_t count) {
	const char **each = calloc(count, sizeof *each);
	if (!each) return strdup("out of memory");
	for (size_t at = 0; at < count; at++) {
		each[at] = texts;
		texts += strlen(texts) + 1;
	}
	char *wrong = told(OF(FillTexts, thing, const char *const *, size_t)(value, each, count));
	free(each);
	return wrong;
}

static char *run(thing session, char **in, thing *given, size_t takes, char **out, size_t gives, thing *answers) {
	return told(OF(Run, thing, thing, char **, thing *, size_t, char **, size_t, thing *)(
		session, NULL, in, given, takes, out, gives, answers));
}

static char *look(thing value, int *type, size_t *rank, int64_t *dims, size_t *count, void **data) {
	int is = 0;
	thing info = NULL;
	char *wrong = told(OF(IsTensor, thing, int *)(value, &is));
	if (wrong || !is) return wrong;
	wrong = told(OF(TypeAndShape, thing, thing *)(value, &info));
	if (wrong) return wrong;
	wrong = shape(info, type, rank, dims);
	if (!wrong) wrong = told(OF(ElementCount, thing, size_t *)(info, count));
	FREE(ReleaseTypeAndShape, info);
	return wrong || *type == Strings ? wrong : told(OF(TensorData, thing, void **)(value, data));
}

static char *length(thing value, size_t *length) {
	return told(OF(TextsLength, thing, size_t *)(value, length));
}

static char *texts(thing value, void *room, size_t length, size_t *offsets, size_t count) {
	return told(OF(TextsContent, thing, void *, size_t, size_t *, size_t)(value, room, length, offsets, count));
}

static void drop_value(thing value) { if (value) FREE(ReleaseValue, value); }
static void drop_session(thing session) { FREE(ReleaseSession, session); }

#endif
