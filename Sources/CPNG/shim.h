// SPDX-License-Identifier: Apache-2.0
#include <png.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// libpng reports errors by longjmp, which must not cross Swift frames: so whole images are read and written in
// here. The simplified png_image interface needs no longjmp, but renumbers palettes.

typedef struct {
    uint32_t width, height;
    int color_type;       ///< PNG_COLOR_TYPE_…
    int palette_count;    ///< entries of palette
    uint8_t palette[768]; ///< RGB
    char error[200];
} TavisPNG;

typedef struct {
    const uint8_t *data;
    size_t size, offset;
} TavisPNGInput;

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} TavisPNGOutput;

static inline void tavis_png_fail(png_structp png, png_const_charp message) {
    TavisPNG *image = (TavisPNG *)png_get_error_ptr(png);
    strncpy(image->error, message, sizeof image->error - 1);
    png_longjmp(png, 1);
}
static inline void tavis_png_ignore(png_structp png, png_const_charp message) { (void)png; (void)message; }

static inline void tavis_png_take(png_structp png, png_bytep target, size_t count) {
    TavisPNGInput *input = (TavisPNGInput *)png_get_io_ptr(png);
    if (count > input->size - input->offset) png_error(png, "the file is cut off");
    memcpy(target, input->data + input->offset, count);
    input->offset += count;
}

static inline void tavis_png_give(png_structp png, png_bytep bytes, size_t count) {
    TavisPNGOutput *output = (TavisPNGOutput *)png_get_io_ptr(png);
    if (output->capacity - output->size < count) {
        size_t capacity = (output->capacity + count) * 2;
        uint8_t *grown = (uint8_t *)realloc(output->data, capacity);
        if (!grown) png_error(png, "out of memory");
        output->data = grown;
        output->capacity = capacity;
    }
    memcpy(output->data + output->size, bytes, count);
    output->size += count;
}
static inline void tavis_png_flush(png_structp png) { (void)png; }

static inline int tavis_png_channels(int color_type) {
    switch (color_type) {
        case PNG_COLOR_TYPE_RGB: return 3;
        case PNG_COLOR_TYPE_RGB_ALPHA: return 4;
        case PNG_COLOR_TYPE_GRAY_ALPHA: return 2;
        default: return 1;
    }
}

/// Decodes to 8 bits per channel, palette indices as they are. NULL on failure, with the reason in image->error;
/// otherwise [height, width, channels], to be freed. Refuses more than max_pixels before it allocates.
static inline uint8_t *tavis_png_decode(const uint8_t *data, size_t size, size_t max_pixels, TavisPNG *image) {
    TavisPNGInput input = {data, size, 0};
    uint8_t *volatile pixels = NULL;
    png_bytep *volatile rows = NULL;
    memset(image, 0, sizeof *image);
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, image, tavis_png_fail, tavis_png_ignore);
    if (!png) return NULL;
    png_infop info = png_create_info_struct(png);
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(rows);
        free(pixels);
        return NULL;
    }
    png_set_read_fn(png, &input, tavis_png_take);
    png_read_info(png, info);
    image->width = png_get_image_width(png, info);
    image->height = png_get_image_height(png, info);
    image->color_type = png_get_color_type(png, info);
    if ((size_t)image->width * image->height > max_pixels) png_error(png, "the picture is too large");
    png_colorp palette = NULL;
    if (png_get_PLTE(png, info, &palette, &image->palette_count))
        for (int i = 0; i < image->palette_count && i < 256; i++) {
            image->palette[3 * i] = palette[i].red;
            image->palette[3 * i + 1] = palette[i].green;
            image->palette[3 * i + 2] = palette[i].blue;
        }
    png_set_packing(png);
    png_set_scale_16(png);
    if (image->color_type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t stride = (size_t)image->width * tavis_png_channels(image->color_type);
    if (png_get_rowbytes(png, info) != stride) png_error(png, "unexpected row size");
    pixels = (uint8_t *)malloc(stride * image->height);
    rows = (png_bytep *)malloc(image->height * sizeof(png_bytep));
    if (!pixels || !rows) png_error(png, "out of memory");
    for (uint32_t y = 0; y < image->height; y++) rows[y] = pixels + y * stride;
    png_read_image(png, rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return pixels;
}

/// Encodes 8-bit pixels, [height, width, channels] by image->color_type. NULL on failure, with the reason in
/// image->error; otherwise *size bytes, to be freed.
static inline uint8_t *tavis_png_encode(TavisPNG *image, const uint8_t *pixels, int level, size_t *size) {
    TavisPNGOutput output = {NULL, 0, 0};
    image->error[0] = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, image, tavis_png_fail, tavis_png_ignore);
    if (!png) return NULL;
    png_infop info = png_create_info_struct(png);
    if (!info || setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        free(output.data);
        return NULL;
    }
    png_set_write_fn(png, &output, tavis_png_give, tavis_png_flush);
    png_set_compression_level(png, level);
    png_set_IHDR(png, info, image->width, image->height, 8, image->color_type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (image->color_type == PNG_COLOR_TYPE_PALETTE) {
        png_color colors[256];
        for (int i = 0; i < image->palette_count && i < 256; i++)
            colors[i] = (png_color){image->palette[3 * i], image->palette[3 * i + 1], image->palette[3 * i + 2]};
        png_set_PLTE(png, info, colors, image->palette_count);
    }
    png_write_info(png, info);
    size_t stride = (size_t)image->width * tavis_png_channels(image->color_type);
    for (uint32_t y = 0; y < image->height; y++) png_write_row(png, pixels + y * stride);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    *size = output.size;
    return output.data;
}
