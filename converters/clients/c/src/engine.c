/* SPDX-License-Identifier: BSD-3-Clause */
/* Load ONNX Runtime's library and a model into it, and ask what the model takes and gives. */
#include "engine.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
static const char LIBRARY[] = "libonnxruntime.dylib";
#else
static const char LIBRARY[] = "libonnxruntime.so.1";
#endif
static const char NOT_FOUND[] = "set LD_LIBRARY_PATH to its folder, or build with make ORT=folder";
static const char AGAIN[] = "convert the model again, with this version of the engine in mind";

typedef void (*ss_function)(void);
#define AT(name, slot) {offsetof(ss_api, name), slot}
static const struct {
  size_t offset;
  size_t slot;
} PLACES[] = {
    AT(message, 2),
    AT(create_env, 3),
    AT(stop_telemetry, 6),
    AT(create_session, 8),
    AT(run, 9),
    AT(create_options, 10),
    AT(set_threads, 24),
    AT(input_count, 30),
    AT(output_count, 31),
    AT(input_type, 33),
    AT(output_type, 34),
    AT(input_name, 36),
    AT(output_name, 37),
    AT(create_tensor, 48),
    AT(wrap_tensor, 49),
    AT(is_tensor, 50),
    AT(tensor_data, 51),
    AT(fill_texts, 52),
    AT(texts_size, 53),
    AT(texts, 54),
    AT(as_tensor, 55),
    AT(element, 60),
    AT(rank, 61),
    AT(shape, 62),
    AT(symbols, 63),
    AT(elements, 64),
    AT(tensor_of, 65),
    AT(create_memory, 69),
    AT(free_memory, 76),
    AT(allocator, 78),
    AT(release_env, 92),
    AT(release_status, 93),
    AT(release_memory, 94),
    AT(release_session, 95),
    AT(release_value, 96),
    AT(release_type, 98),
    AT(release_tensor, 99),
    AT(release_options, 100),
};

/* The library stays loaded until the program ends, as its makers want it. */
static bool find_api(const char *path, ss_api *api, safeserial_error *error) {
  typedef struct {
    const ss_function *(*table)(uint32_t version);
    const char *(*version)(void);
  } ss_base;
  /* Some builds keep usage data in the user's home, in order to send them, unless told not to. */
  if (!getenv("ORT_DISABLE_TELEMETRY")) (void)setenv("ORT_DISABLE_TELEMETRY", "1", 0);
  void *library = dlopen(path ? path : LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *why = dlerror();
    return ss_fail(error, "runtime", NOT_FOUND, "ONNX Runtime cannot be loaded: %s",
                   why ? why : "?");
  }
  void *symbol = dlsym(library, "OrtGetApiBase");
  const ss_base *(*base)(void) = NULL;
  memcpy(&base, &symbol, sizeof base);
  const ss_function *table = symbol ? base()->table(1) : NULL;
  if (!table) {
    return ss_fail(error, "runtime", NOT_FOUND, "%s is not ONNX Runtime", path ? path : LIBRARY);
  }
  for (size_t at = 0; at < sizeof PLACES / sizeof *PLACES; at += 1) {
    memcpy((char *)api + PLACES[at].offset, &table[PLACES[at].slot], sizeof(ss_function));
  }
  return true;
}

bool ss_worked(const ss_api *api, ss_status status, const char *what, const char *hint,
               safeserial_error *error) {
  if (!status) return true;
  ss_fail(error, "runtime", hint, "%s: %s", what, api->message(status));
  api->release_status(status);
  return false;
}

/* Where the caller says in its own words that something failed. */
static bool failed(const ss_api *api, ss_status status) {
  if (status) api->release_status(status);
  return status != NULL;
}

static const char *type_name(int type) {
  switch (type) {
    case SS_FLOAT: return "float32";
    case SS_DOUBLE: return "float64";
    case SS_INT64: return "int64";
    case SS_INT32: return "int32";
    case SS_BOOL: return "bool";
    case SS_TEXT: return "string";
    default: return "another";
  }
}

/* Take shape and type of a tensor; something that is no tensor is of type "another". */
static bool describe(const ss_api *api, const void *type, safeserial_port *port, int *element) {
  const void *tensor = NULL;
  bool asked = !failed(api, api->as_tensor(type, &tensor));
  port->type = type_name(0);
  if (!asked || !tensor) return asked;
  if (failed(api, api->element(tensor, element))) return false;
  if (failed(api, api->rank(tensor, &port->rank))) return false;
  port->type = type_name(*element);
  int64_t *shape = calloc(port->rank + 1, sizeof *shape);
  const char **symbols = calloc(port->rank + 1, sizeof *symbols);
  port->shape = shape;
  port->symbols = symbols;
  if (!shape || !symbols || failed(api, api->shape(tensor, shape, port->rank)) ||
      failed(api, api->symbols(tensor, symbols, port->rank))) {
    memset((void *)symbols, 0, symbols ? port->rank * sizeof *symbols : 0);
    return false;
  }
  bool copied = true;
  for (size_t at = 0; at < port->rank; at += 1) {
    symbols[at] = ss_copy(symbols[at] ? symbols[at] : ""); /* the engine's own end with the type */
    copied = copied && symbols[at];
    if (shape[at] < 0) shape[at] = -1;
  }
  return copied;
}

static bool read_port(const ss_engine *engine, bool output, size_t at, safeserial_port *port,
                      int *element) {
  const ss_api *api = &engine->api;
  char *name = NULL;
  void *type = NULL;
  if (failed(api, (output ? api->output_name : api->input_name)(engine->session, at,
                                                                engine->allocator, &name))) {
    return false;
  }
  port->name = ss_copy(name);
  (void)failed(api, api->free_memory(engine->allocator, name));
  if (!port->name ||
      failed(api, (output ? api->output_type : api->input_type)(engine->session, at, &type))) {
    return false;
  }
  bool done = describe(api, type, port, element);
  api->release_type(type);
  return done;
}

static bool read_ports(ss_engine *engine) {
  const ss_api *api = &engine->api;
  size_t inputs = 0, outputs = 0;
  int unused = 0;
  if (failed(api, api->input_count(engine->session, &inputs))) return false;
  if (failed(api, api->output_count(engine->session, &outputs))) return false;
  engine->inputs = calloc(inputs + 1, sizeof *engine->inputs);
  engine->outputs = calloc(outputs + 1, sizeof *engine->outputs);
  engine->input_types = calloc(inputs + 1, sizeof *engine->input_types);
  if (!engine->inputs || !engine->outputs || !engine->input_types) return false;
  for (; engine->input_count < inputs; engine->input_count += 1) {
    size_t at = engine->input_count;
    if (!read_port(engine, false, at, &engine->inputs[at], &engine->input_types[at])) return false;
  }
  for (; engine->output_count < outputs; engine->output_count += 1) {
    size_t at = engine->output_count;
    if (!read_port(engine, true, at, &engine->outputs[at], &unused)) return false;
  }
  return true;
}

static bool start(ss_engine *engine, const void *model, size_t size, safeserial_error *error) {
  const ss_api *api = &engine->api;
  static const char what[] = "the engine cannot start";
  enum { ERRORS_ONLY = 3, ARENA = 0, DEFAULT = 0 };
  void *options = NULL;
  if (!ss_worked(api, api->create_env(ERRORS_ONLY, "safeserial", &engine->env), what, AGAIN,
                 error) ||
      !ss_worked(api, api->stop_telemetry(engine->env), what, AGAIN, error) ||
      !ss_worked(api, api->allocator(&engine->allocator), what, AGAIN, error) ||
      !ss_worked(api, api->create_memory(ARENA, DEFAULT, &engine->memory), what, AGAIN, error) ||
      !ss_worked(api, api->create_options(&options), what, AGAIN, error)) {
    return false;
  }
  /* These models are small: threads are the program's own business. */
  bool done =
      ss_worked(api, api->set_threads(options, 1), what, AGAIN, error) &&
      ss_worked(api, api->create_session(engine->env, model, size, options, &engine->session),
                "the engine cannot load the model", AGAIN, error);
  api->release_options(options);
  if (!done) return false;
  return read_ports(engine) ||
         ss_fail(error, "runtime", AGAIN, "the engine does not tell what the model takes");
}

ss_engine *ss_engine_open(const char *path, const void *model, size_t size,
                          safeserial_error *error) {
  ss_engine *engine = calloc(1, sizeof *engine);
  if (!engine) {
    ss_memory(error);
    return NULL;
  }
  if (find_api(path, &engine->api, error) && start(engine, model, size, error)) return engine;
  ss_engine_close(engine);
  return NULL;
}

const safeserial_port *ss_engine_ports(const ss_engine *engine, bool outputs, size_t *count) {
  if (count) *count = outputs ? engine->output_count : engine->input_count;
  return outputs ? engine->outputs : engine->inputs;
}

int ss_engine_type(const ss_engine *engine, size_t input) { return engine->input_types[input]; }

static void free_ports(safeserial_port *ports) {
  for (safeserial_port *port = ports; port && (port->name || port->type); port += 1) {
    for (size_t at = 0; port->symbols && at < port->rank; at += 1) free((void *)port->symbols[at]);
    free((void *)port->symbols);
    free((void *)port->shape);
    free((void *)port->name);
  }
  free(ports);
}

void ss_engine_close(ss_engine *engine) {
  if (!engine) return;
  free_ports(engine->inputs);
  free_ports(engine->outputs);
  free(engine->input_types);
  if (engine->session) engine->api.release_session(engine->session);
  if (engine->memory) engine->api.release_memory(engine->memory);
  if (engine->env) engine->api.release_env(engine->env);
  free(engine);
}
