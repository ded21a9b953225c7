// SPDX-License-Identifier: BSD-3-Clause
// ONNX Runtime's C API as far as it is used here: a table of functions that only grows at its end.
#ifndef SAFESERIAL_API_H
#define SAFESERIAL_API_H

#include <jni.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Status Status;
typedef struct Env Env;
typedef struct Options Options;
typedef struct Session Session;
typedef struct Value Value;
typedef struct TypeInfo TypeInfo;
typedef struct Shape Shape; // OrtTensorTypeAndShapeInfo
typedef struct Allocator Allocator;

// OrtApi up to slot 100.  The numbers are those of the slots.
typedef struct Api {
    void *skip_0[2];
    const char *(*GetErrorMessage)(const Status *);                                             // 2
    Status *(*CreateEnv)(int level, const char *name, Env **);                                  // 3
    void *skip_4[4];
    Status *(*CreateSessionFromArray)(const Env *, const void *, size_t, const Options *, Session **); // 8
    Status *(*Run)(Session *, const void *, const char *const *, const Value *const *, size_t,
                   const char *const *, size_t, Value **);                                      // 9
    Status *(*CreateSessionOptions)(Options **);                                                // 10
    void *skip_11[19];
    Status *(*SessionGetInputCount)(const Session *, size_t *);                                 // 30
    Status *(*SessionGetOutputCount)(const Session *, size_t *);                                // 31
    void *skip_32;
    Status *(*SessionGetInputTypeInfo)(const Session *, size_t, TypeInfo **);                   // 33
    void *skip_34[2];
    Status *(*SessionGetInputName)(const Session *, size_t, Allocator *, char **);              // 36
    Status *(*SessionGetOutputName)(const Session *, size_t, Allocator *, char **);             // 37
    void *skip_38[10];
    Status *(*CreateTensorAsOrtValue)(Allocator *, const int64_t *, size_t, int type, Value **); // 48
    void *skip_49;
    Status *(*IsTensor)(const Value *, int *);                                                  // 50
    Status *(*GetTensorMutableData)(Value *, void **);                                          // 51
    Status *(*FillStringTensor)(Value *, const char *const *, size_t);                          // 52
    Status *(*GetStringTensorDataLength)(const Value *, size_t *);                              // 53
    Status *(*GetStringTensorContent)(const Value *, void *, size_t, size_t *, size_t);         // 54
    Status *(*CastTypeInfoToTensorInfo)(const TypeInfo *, const Shape **);                      // 55
    void *skip_56[4];
    Status *(*GetTensorElementType)(const Shape *, int *);                                      // 60
    Status *(*GetDimensionsCount)(const Shape *, size_t *);                                     // 61
    Status *(*GetDimensions)(const Shape *, int64_t *, size_t);                                 // 62
    void *skip_63;
    Status *(*GetTensorShapeElementCount)(const Shape *, size_t *);                             // 64
    Status *(*GetTensorTypeAndShape)(const Value *, Shape **);                                  // 65
    void *skip_66[10];
    Status *(*AllocatorFree)(Allocator *, void *);                                              // 76
    void *skip_77;
    Status *(*GetAllocatorWithDefaultOptions)(Allocator **);                                    // 78
    void *skip_79[14];
    void (*ReleaseStatus)(Status *);                                                            // 93
    void *skip_94;
    void (*ReleaseSession)(Session *);                                                          // 95
    void (*ReleaseValue)(Value *);                                                              // 96
    void *skip_97;
    void (*ReleaseTypeInfo)(TypeInfo *);                                                        // 98
    void (*ReleaseShape)(Shape *);                                                              // 99
    void (*ReleaseSessionOptions)(Options *);                                                   // 100
} Api;

typedef struct {
    const Api *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
} ApiBase;

_Static_assert(sizeof(Api) == 101 * sizeof(void *), "a slot is missing");

enum { FLOAT32 = 1, INT32 = 6, INT64 = 7, STRING = 8, BOOL = 9, FLOAT64 = 11, SILENT = 4, DEEPEST = 64 };

extern const Api *api;
extern Allocator *allocator;

// Throw IllegalStateException.
void say(JNIEnv *jni, const char *message);

// Say whether a call failed, or an exception is under way.
int failed(JNIEnv *jni, Status *status);

// Return a byte[]; NULL with an exception if that fails.
jbyteArray bytes_of(JNIEnv *jni, const void *data, size_t size);

// Return the dimensions, and the type, of an input or a value; NULL with an exception if that fails.
jlongArray dimensions_of(JNIEnv *jni, const Shape *shape, int *type);

// Make a tensor of what Java gives; NULL with an exception if that fails.
Value *tensor_of(JNIEnv *jni, int type, jlongArray shape, jbyteArray data);

// Return {type, shape, bytes, begins} of an answer; NULL with an exception if that fails.
jobjectArray answer_of(JNIEnv *jni, Value *value);

#endif
