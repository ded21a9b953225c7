// SPDX-License-Identifier: BSD-3-Clause
// Tensors of ONNX Runtime from Java's arrays, and back; what goes wrong becomes an exception.
#include "api.h"

#include <stdlib.h>
#include <string.h>

// JNI wants ASCII, and what a model calls its nodes may be anything.
void say(JNIEnv *jni, const char *message) {
    char clean[1000];
    if ((*jni)->ExceptionCheck(jni)) {
        return; // the first one says more
    }
    size_t at = 0;
    for (; message[at] && at < sizeof clean - 1; at++) {
        clean[at] = message[at] >= ' ' && message[at] <= '~' ? message[at] : ' ';
    }
    clean[at] = 0;
    jclass kind = (*jni)->FindClass(jni, "java/lang/IllegalStateException");
    if (kind) {
        (*jni)->ThrowNew(jni, kind, clean);
    }
}

int failed(JNIEnv *jni, Status *status) {
    if (!status) {
        return (*jni)->ExceptionCheck(jni);
    }
    say(jni, api->GetErrorMessage(status));
    api->ReleaseStatus(status);
    return 1;
}

static size_t size_of(int type) {
    switch (type) {
    case FLOAT64:
    case INT64:
        return 8;
    case FLOAT32:
    case INT32:
        return 4;
    case BOOL:
        return 1;
    default:
        return 0;
    }
}

jbyteArray bytes_of(JNIEnv *jni, const void *data, size_t size) {
    if (size > INT32_MAX - 16) {
        say(jni, "an answer is too long");
        return NULL;
    }
    jbyteArray made = (*jni)->NewByteArray(jni, (jsize)size);
    if (made) {
        (*jni)->SetByteArrayRegion(jni, made, 0, (jsize)size, data);
    }
    return made;
}

jlongArray dimensions_of(JNIEnv *jni, const Shape *shape, int *type) {
    size_t count = 0;
    int64_t dimensions[DEEPEST];
    if (failed(jni, api->GetTensorElementType(shape, type)) || failed(jni, api->GetDimensionsCount(shape, &count))) {
        return NULL;
    }
    if (count > DEEPEST) {
        say(jni, "a tensor has too many dimensions");
        return NULL;
    }
    if (failed(jni, api->GetDimensions(shape, dimensions, count))) {
        return NULL;
    }
    jlong copied[DEEPEST];
    for (size_t at = 0; at < count; at++) {
        copied[at] = dimensions[at];
    }
    jlongArray made = (*jni)->NewLongArray(jni, (jsize)count);
    if (made) {
        (*jni)->SetLongArrayRegion(jni, made, 0, (jsize)count, copied);
    }
    return made;
}

// Fill a tensor of texts, which stand one after the other, each ended by a zero byte.
static int fill_texts(JNIEnv *jni, Value *value, size_t count, const char *data, size_t size) {
    const char **begins = calloc(count + 1, sizeof *begins);
    const char *at = data, *end = data + size;
    size_t found = 0;
    while (begins && found < count && at < end) {
        const char *zero = memchr(at, 0, (size_t)(end - at));
        if (!zero) {
            break;
        }
        begins[found++] = at;
        at = zero + 1;
    }
    int wrong = !begins || found != count || at != end;
    if (wrong) {
        say(jni, "there are not as many texts as the shape says");
    } else {
        wrong = failed(jni, api->FillStringTensor(value, begins, count));
    }
    free(begins);
    return wrong;
}

Value *tensor_of(JNIEnv *jni, int type, jlongArray shape, jbyteArray data) {
    int64_t dimensions[DEEPEST];
    jlong given[DEEPEST];
    Value *value = NULL;
    size_t count = 1, rank = (size_t)(*jni)->GetArrayLength(jni, shape);
    size_t size = (size_t)(*jni)->GetArrayLength(jni, data);
    if (rank > DEEPEST) {
        say(jni, "a tensor has too many dimensions");
        return NULL;
    }
    (*jni)->GetLongArrayRegion(jni, shape, 0, (jsize)rank, given);
    for (size_t at = 0; at < rank; at++) {
        dimensions[at] = given[at];
        if (given[at] < 0 || (given[at] && count > INT32_MAX / (uint64_t)given[at])) {
            say(jni, "a tensor is too large");
            return NULL;
        }
        count *= (size_t)given[at];
    }
    if (type != STRING && count * size_of(type) != size) {
        say(jni, "the data of a tensor does not have its shape");
        return NULL;
    }
    if (failed(jni, api->CreateTensorAsOrtValue(allocator, dimensions, rank, type, &value))) {
        return NULL;
    }
    int wrong = 1;
    if (type == STRING) {
        jbyte *texts = (*jni)->GetByteArrayElements(jni, data, NULL);
        if (texts) {
            wrong = fill_texts(jni, value, count, (const char *)texts, size);
            (*jni)->ReleaseByteArrayElements(jni, data, texts, JNI_ABORT);
        }
    } else {
        void *place = NULL;
        wrong = failed(jni, api->GetTensorMutableData(value, &place));
        if (!wrong) {
            (*jni)->GetByteArrayRegion(jni, data, 0, (jsize)size, place);
        }
    }
    if (wrong) {
        api->ReleaseValue(value);
        return NULL;
    }
    return value;
}

// Put texts into {type, shape, bytes, begins}.
static int put_texts(JNIEnv *jni, Value *value, size_t count, jobjectArray into) {
    size_t size = 0;
    if (failed(jni, api->GetStringTensorDataLength(value, &size))) {
        return 1;
    }
    char *content = malloc(size + 1);
    size_t *begins = calloc(count + 1, sizeof *begins);
    jlong *copied = calloc(count + 1, sizeof *copied);
    int wrong = !content || !begins || !copied || size > INT32_MAX - 16 || count > INT32_MAX - 16;
    if (wrong) {
        say(jni, "an answer is too long");
    } else {
        wrong = failed(jni, api->GetStringTensorContent(value, content, size, begins, count));
    }
    if (!wrong) {
        begins[count] = size;
        for (size_t at = 0; at <= count; at++) {
            copied[at] = (jlong)begins[at];
        }
        jbyteArray bytes = bytes_of(jni, content, size);
        jlongArray places = bytes ? (*jni)->NewLongArray(jni, (jsize)count + 1) : NULL;
        wrong = !places;
        if (!wrong) {
            (*jni)->SetLongArrayRegion(jni, places, 0, (jsize)count + 1, copied);
            (*jni)->SetObjectArrayElement(jni, into, 2, bytes);
            (*jni)->SetObjectArrayElement(jni, into, 3, places);
        }
    }
    free(content);
    free(begins);
    free(copied);
    return wrong;
}

jobjectArray answer_of(JNIEnv *jni, Value *value) {
    int tensor = 0, type = 0;
    size_t count = 0;
    Shape *shape = NULL;
    void *data = NULL;
    if (failed(jni, api->IsTensor(value, &tensor))) {
        return NULL;
    }
    if (!tensor) {
        say(jni, "an answer is no tensor");
        return NULL;
    }
    if (failed(jni, api->GetTensorTypeAndShape(value, &shape))) {
        return NULL;
    }
    jlongArray dimensions = dimensions_of(jni, shape, &type);
    Status *counted = api->GetTensorShapeElementCount(shape, &count);
    api->ReleaseShape(shape);
    if (failed(jni, counted) || !dimensions) {
        return NULL;
    }
    if (type != STRING && !size_of(type)) {
        say(jni, "an answer is of a type that is not read here");
        return NULL;
    }
    jobjectArray made = (*jni)->NewObjectArray(jni, 4, (*jni)->FindClass(jni, "java/lang/Object"), NULL);
    jintArray types = made ? (*jni)->NewIntArray(jni, 1) : NULL;
    if (!types) {
        return NULL;
    }
    jint number = type;
    (*jni)->SetIntArrayRegion(jni, types, 0, 1, &number);
    (*jni)->SetObjectArrayElement(jni, made, 0, types);
    (*jni)->SetObjectArrayElement(jni, made, 1, dimensions);
    if (type == STRING) {
        return put_texts(jni, value, count, made) ? NULL : made;
    }
    if (failed(jni, api->GetTensorMutableData(value, &data))) {
        return NULL;
    }
    jbyteArray bytes = bytes_of(jni, data, count * size_of(type));
    if (!bytes) {
        return NULL;
    }
    (*jni)->SetObjectArrayElement(jni, made, 2, bytes);
    return made;
}
