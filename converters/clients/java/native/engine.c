// SPDX-License-Identifier: BSD-3-Clause
// The native half of NativeEngine.java.  Linked against nothing: ONNX Runtime is opened when the class is loaded.
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "api.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

const Api *api;
Allocator *allocator;
static Env *env;

JNIEXPORT jstring JNICALL Java_dev_safeserial_onnx_NativeEngine_start(JNIEnv *jni, jclass self, jbyteArray path) {
    (void)self;
    char name[4096] = {0};
    jsize size = (*jni)->GetArrayLength(jni, path);
    if (size >= (jsize)sizeof name) {
        say(jni, "the name of the library is too long");
        return NULL;
    }
    (*jni)->GetByteArrayRegion(jni, path, 0, size, (jbyte *)name);
    /* Some builds keep usage data in the user's home unless told not to. */
    (void)setenv("ORT_DISABLE_TELEMETRY", "1", 0);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        say(jni, dlerror());
        return NULL;
    }
    const ApiBase *(*get_base)(void) = (const ApiBase *(*)(void))(uintptr_t)dlsym(library, "OrtGetApiBase");
    api = get_base ? get_base()->GetApi(1) : NULL;
    if (!api) {
        say(jni, "this is not ONNX Runtime");
        return NULL;
    }
    if (failed(jni, api->CreateEnv(SILENT, "safeserial", &env)) ||
        failed(jni, api->GetAllocatorWithDefaultOptions(&allocator))) {
        return NULL;
    }
    return (*jni)->NewStringUTF(jni, get_base()->GetVersionString());
}

JNIEXPORT jlong JNICALL Java_dev_safeserial_onnx_NativeEngine_open(JNIEnv *jni, jclass self, jbyteArray onnx) {
    (void)self;
    Options *options = NULL;
    Session *session = NULL;
    if (failed(jni, api->CreateSessionOptions(&options))) {
        return 0;
    }
    jbyte *data = (*jni)->GetByteArrayElements(jni, onnx, NULL);
    if (data) {
        size_t size = (size_t)(*jni)->GetArrayLength(jni, onnx);
        if (failed(jni, api->CreateSessionFromArray(env, data, size, options, &session))) {
            session = NULL;
        }
        (*jni)->ReleaseByteArrayElements(jni, onnx, data, JNI_ABORT);
    }
    api->ReleaseSessionOptions(options);
    return (jlong)(intptr_t)session;
}

JNIEXPORT void JNICALL Java_dev_safeserial_onnx_NativeEngine_close(JNIEnv *jni, jclass self, jlong handle) {
    (void)jni;
    (void)self;
    api->ReleaseSession((Session *)(intptr_t)handle);
}

// Put a name that ONNX Runtime allocated into an array, and free it; say whether that went wrong.
static int put_name(JNIEnv *jni, jobjectArray into, size_t at, char *name) {
    jbyteArray made = bytes_of(jni, name, strlen(name));
    Status *status = api->AllocatorFree(allocator, name);
    if (!made || failed(jni, status)) {
        return 1;
    }
    (*jni)->SetObjectArrayElement(jni, into, (jsize)at, made);
    (*jni)->DeleteLocalRef(jni, made);
    return (*jni)->ExceptionCheck(jni);
}

static int put_input(JNIEnv *jni, Session *session, size_t at, jobjectArray names, jintArray types,
                     jobjectArray shapes) {
    char *name = NULL;
    TypeInfo *info = NULL;
    const Shape *shape = NULL;
    int type = 0;
    if (failed(jni, api->SessionGetInputName(session, at, allocator, &name)) || put_name(jni, names, at, name) ||
        failed(jni, api->SessionGetInputTypeInfo(session, at, &info))) {
        return 1;
    }
    jlongArray dimensions = NULL;
    if (!failed(jni, api->CastTypeInfoToTensorInfo(info, &shape))) {
        // What is no tensor has no shape; its type stays 0, which Rows refuses.
        dimensions = shape ? dimensions_of(jni, shape, &type) : (*jni)->NewLongArray(jni, 0);
    }
    api->ReleaseTypeInfo(info);
    if (!dimensions) {
        return 1;
    }
    jint number = type;
    (*jni)->SetIntArrayRegion(jni, types, (jsize)at, 1, &number);
    (*jni)->SetObjectArrayElement(jni, shapes, (jsize)at, dimensions);
    (*jni)->DeleteLocalRef(jni, dimensions);
    return (*jni)->ExceptionCheck(jni);
}

// Return {names, types and shapes of the inputs, names of the outputs}.
JNIEXPORT jobjectArray JNICALL Java_dev_safeserial_onnx_NativeEngine_describe(JNIEnv *jni, jclass self, jlong handle) {
    (void)self;
    Session *session = (Session *)(intptr_t)handle;
    size_t inputs = 0, outputs = 0;
    if (failed(jni, api->SessionGetInputCount(session, &inputs)) ||
        failed(jni, api->SessionGetOutputCount(session, &outputs))) {
        return NULL;
    }
    jclass bytes = (*jni)->FindClass(jni, "[B"), longs = (*jni)->FindClass(jni, "[J");
    jclass object = (*jni)->FindClass(jni, "java/lang/Object");
    jobjectArray names = (*jni)->NewObjectArray(jni, (jsize)inputs, bytes, NULL);
    jintArray types = (*jni)->NewIntArray(jni, (jsize)inputs);
    jobjectArray shapes = (*jni)->NewObjectArray(jni, (jsize)inputs, longs, NULL);
    jobjectArray wanted = (*jni)->NewObjectArray(jni, (jsize)outputs, bytes, NULL);
    jobjectArray told = (*jni)->NewObjectArray(jni, 4, object, NULL);
    if (!names || !types || !shapes || !wanted || !told) {
        return NULL;
    }
    for (size_t at = 0; at < inputs; at++) {
        if (put_input(jni, session, at, names, types, shapes)) {
            return NULL;
        }
    }
    for (size_t at = 0; at < outputs; at++) {
        char *name = NULL;
        if (failed(jni, api->SessionGetOutputName(session, at, allocator, &name)) || put_name(jni, wanted, at, name)) {
            return NULL;
        }
    }
    jobject parts[4] = {names, types, shapes, wanted};
    for (jsize at = 0; at < 4; at++) {
        (*jni)->SetObjectArrayElement(jni, told, at, parts[at]);
    }
    return told;
}

// Return copies of names that end in a zero byte; what was not copied is NULL.
static char **names_of(JNIEnv *jni, jobjectArray given, size_t count) {
    char **names = calloc(count + 1, sizeof *names);
    for (size_t at = 0; names && at < count; at++) {
        jbyteArray one = (*jni)->GetObjectArrayElement(jni, given, (jsize)at);
        size_t size = (size_t)(*jni)->GetArrayLength(jni, one);
        names[at] = calloc(size + 1, 1);
        if (!names[at]) {
            break;
        }
        (*jni)->GetByteArrayRegion(jni, one, 0, (jsize)size, (jbyte *)names[at]);
        (*jni)->DeleteLocalRef(jni, one);
    }
    return names;
}

static void free_names(char **names, size_t count) {
    for (size_t at = 0; names && at < count; at++) {
        free(names[at]);
    }
    free(names);
}

static int whole(char **names, size_t count) {
    for (size_t at = 0; names && at < count; at++) {
        if (!names[at]) {
            return 0;
        }
    }
    return names != NULL;
}

// Make the inputs; say whether that went wrong.
static int feed(JNIEnv *jni, Value **values, size_t count, jintArray types, jobjectArray shapes, jobjectArray data) {
    for (size_t at = 0; at < count; at++) {
        jint type = 0;
        (*jni)->GetIntArrayRegion(jni, types, (jsize)at, 1, &type);
        jobject shape = (*jni)->GetObjectArrayElement(jni, shapes, (jsize)at);
        jobject bytes = (*jni)->GetObjectArrayElement(jni, data, (jsize)at);
        values[at] = (*jni)->ExceptionCheck(jni) ? NULL : tensor_of(jni, type, shape, bytes);
        (*jni)->DeleteLocalRef(jni, shape);
        (*jni)->DeleteLocalRef(jni, bytes);
        if (!values[at]) {
            return 1;
        }
    }
    return 0;
}

static jobjectArray answers_of(JNIEnv *jni, Value **values, size_t count) {
    jobjectArray made = (*jni)->NewObjectArray(jni, (jsize)count, (*jni)->FindClass(jni, "[Ljava/lang/Object;"), NULL);
    for (size_t at = 0; made && at < count; at++) {
        if ((*jni)->PushLocalFrame(jni, 16)) {
            return NULL;
        }
        jobject one = (*jni)->PopLocalFrame(jni, answer_of(jni, values[at]));
        if (!one) {
            return NULL;
        }
        (*jni)->SetObjectArrayElement(jni, made, (jsize)at, one);
        (*jni)->DeleteLocalRef(jni, one);
    }
    return made;
}

JNIEXPORT jobjectArray JNICALL Java_dev_safeserial_onnx_NativeEngine_run(
    JNIEnv *jni, jclass self, jlong handle, jobjectArray names, jintArray types, jobjectArray shapes,
    jobjectArray data, jobjectArray wanted) {
    (void)self;
    size_t inputs = (size_t)(*jni)->GetArrayLength(jni, names), outputs = (size_t)(*jni)->GetArrayLength(jni, wanted);
    char **in = names_of(jni, names, inputs), **out = names_of(jni, wanted, outputs);
    Value **given = calloc(inputs + 1, sizeof *given), **found = calloc(outputs + 1, sizeof *found);
    jobjectArray made = NULL;
    if (!whole(in, inputs) || !whole(out, outputs) || !given || !found) {
        say(jni, "there is no memory left");
    } else if (!feed(jni, given, inputs, types, shapes, data) &&
               !failed(jni, api->Run((Session *)(intptr_t)handle, NULL, (const char *const *)in,
                                     (const Value *const *)given, inputs, (const char *const *)out, outputs, found))) {
        made = answers_of(jni, found, outputs);
    }
    for (size_t at = 0; given && at < inputs; at++) {
        if (given[at]) {
            api->ReleaseValue(given[at]);
        }
    }
    for (size_t at = 0; found && at < outputs; at++) {
        if (found[at]) {
            api->ReleaseValue(found[at]);
        }
    }
    free_names(in, inputs);
    free_names(out, outputs);
    free(given);
    free(found);
    return made;
}
