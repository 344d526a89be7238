// SPDX-License-Identifier: Apache-2.0
#include "tavis_embedded_model.h"

// Standard since C23; the compiler has it in every mode.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char json[] = {
#embed "model.json"
};
const unsigned char *const tavis_model_json = json;
const size_t tavis_model_json_size = sizeof json;

// Tensors begin at multiples of 64 bytes of the file, for vector code that reads them in place.
_Alignas(64) static const unsigned char weights[] = {
#embed "model.safetensors"
};
const unsigned char *const tavis_model_weights = weights;
const size_t tavis_model_weights_size = sizeof weights;
