// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <malloc.h>
#include <gst/gst.h>
#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/audio/audio.h>
#include <gst/base/gstbasesink.h>
#include <gst/pbutils/pbutils.h>
#include <gst/video/video.h>

// Swift cannot call variadic g_object_set, nor use the cast macros of GObject types.

typedef enum { TAVIS_SET_OK, TAVIS_SET_NO_PROPERTY, TAVIS_SET_WRONG_TYPE } TavisSetResult;

/// Sets `name` from `value`, converting between number types; GObject clamps nothing silently here.
static inline TavisSetResult tavis_set_value(GstElement *element, const char *name, const GValue *value) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
    if (!spec || !(spec->flags & G_PARAM_WRITABLE)) return TAVIS_SET_NO_PROPERTY;
    if (!g_value_type_transformable(G_VALUE_TYPE(value), spec->value_type)) return TAVIS_SET_WRONG_TYPE;
    g_object_set_property(G_OBJECT(element), name, value);
    return TAVIS_SET_OK;
}

static inline TavisSetResult tavis_set_string(GstElement *element, const char *name, const char *text) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
    if (spec && spec->value_type != G_TYPE_STRING) return TAVIS_SET_WRONG_TYPE;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_STRING);
    g_value_set_string(&value, text);
    TavisSetResult result = tavis_set_value(element, name, &value);
    g_value_unset(&value);
    return result;
}

static inline TavisSetResult tavis_set_int64(GstElement *element, const char *name, gint64 number) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_INT64);
    g_value_set_int64(&value, number);
    TavisSetResult result = tavis_set_value(element, name, &value);
    g_value_unset(&value);
    return result;
}

static inline TavisSetResult tavis_set_boolean(GstElement *element, const char *name, gboolean on) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, G_TYPE_BOOLEAN);
    g_value_set_boolean(&value, on);
    TavisSetResult result = tavis_set_value(element, name, &value);
    g_value_unset(&value);
    return result;
}

/// The text of a string property, to be freed with g_free; NULL when there is none.
static inline char *tavis_get_string(GstElement *element, const char *name) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
    if (!spec || spec->value_type != G_TYPE_STRING) return NULL;
    char *text = NULL;
    g_object_get(element, name, &text, NULL);
    return text;
}

/// Sets a number property of the sink pad `pad_name`; FALSE when there is no such pad or property.
static inline gboolean tavis_set_pad_int64(GstElement *element, const char *pad_name, const char *name,
                                           gint64 number) {
    GstPad *pad = gst_element_get_static_pad(element, pad_name);
    if (!pad) return FALSE;
    gboolean found = g_object_class_find_property(G_OBJECT_GET_CLASS(pad), name) != NULL;
    if (found) {
        GValue value = G_VALUE_INIT;
        g_value_init(&value, G_TYPE_INT64);
        g_value_set_int64(&value, number);
        g_object_set_property(G_OBJECT(pad), name, &value);
        g_value_unset(&value);
    }
    gst_object_unref(pad);
    return found;
}

static inline GstElement *tavis_bin_get(GstElement *bin, const char *name) {
    return GST_IS_BIN(bin) ? gst_bin_get_by_name(GST_BIN(bin), name) : NULL;
}
static inline gboolean tavis_is_pipeline(GstElement *element) { return GST_IS_PIPELINE(element); }
static inline gboolean tavis_is_app_sink(GstElement *element) { return GST_IS_APP_SINK(element); }
static inline gboolean tavis_is_app_src(GstElement *element) { return GST_IS_APP_SRC(element); }

static inline GstSample *tavis_app_sink_pull(GstElement *sink, GstClockTime timeout) {
    return gst_app_sink_try_pull_sample(GST_APP_SINK(sink), timeout);
}
static inline void tavis_app_sink_keep_outside_segment(GstElement *sink) {
    gst_base_sink_set_drop_out_of_segment(GST_BASE_SINK(sink), FALSE);
}
static inline gboolean tavis_app_sink_is_eos(GstElement *sink) {
    return gst_app_sink_is_eos(GST_APP_SINK(sink));
}
static inline void tavis_app_src_set_caps(GstElement *source, const GstCaps *caps) {
    gst_app_src_set_caps(GST_APP_SRC(source), caps);
}
static inline GstFlowReturn tavis_app_src_push(GstElement *source, GstBuffer *buffer) {
    return gst_app_src_push_buffer(GST_APP_SRC(source), buffer);
}
static inline GstFlowReturn tavis_app_src_end(GstElement *source) {
    return gst_app_src_end_of_stream(GST_APP_SRC(source));
}
static inline guint64 tavis_app_src_level_buffers(GstElement *source) {
    return gst_app_src_get_current_level_buffers(GST_APP_SRC(source));
}
static inline guint64 tavis_app_src_level_bytes(GstElement *source) {
    return gst_app_src_get_current_level_bytes(GST_APP_SRC(source));
}

static inline gboolean tavis_buffer_has_flag(GstBuffer *buffer, guint flag) {
    return GST_BUFFER_FLAG_IS_SET(buffer, flag);
}
static inline GstClockTime tavis_clock_time_none(void) { return GST_CLOCK_TIME_NONE; }
static inline const char *tavis_message_source(GstMessage *message) {
    return GST_MESSAGE_SRC(message) ? GST_OBJECT_NAME(GST_MESSAGE_SRC(message)) : "";
}
static inline gboolean tavis_message_is_from(GstMessage *message, GstElement *element) {
    return GST_MESSAGE_SRC(message) == GST_OBJECT(element);
}
/// What kind of error it is, as far as we tell them apart.
typedef enum {
    TAVIS_ERROR_OTHER, TAVIS_ERROR_NO_SPACE, TAVIS_ERROR_NOT_FOUND, TAVIS_ERROR_OPEN_READ,
    TAVIS_ERROR_OPEN_WRITE, TAVIS_ERROR_WRITE, TAVIS_ERROR_TYPE_NOT_FOUND, TAVIS_ERROR_WRONG_TYPE,
    TAVIS_ERROR_CODEC_NOT_FOUND, TAVIS_ERROR_DEMUX, TAVIS_ERROR_DECODE, TAVIS_ERROR_MISSING_PLUGIN
} TavisErrorKind;

static inline TavisErrorKind tavis_error_kind(const GError *error) {
    if (error->domain == GST_RESOURCE_ERROR) switch (error->code) {
        case GST_RESOURCE_ERROR_NO_SPACE_LEFT: return TAVIS_ERROR_NO_SPACE;
        case GST_RESOURCE_ERROR_NOT_FOUND: return TAVIS_ERROR_NOT_FOUND;
        case GST_RESOURCE_ERROR_OPEN_READ: return TAVIS_ERROR_OPEN_READ;
        case GST_RESOURCE_ERROR_OPEN_WRITE: return TAVIS_ERROR_OPEN_WRITE;
        case GST_RESOURCE_ERROR_WRITE: return TAVIS_ERROR_WRITE;
        default: return TAVIS_ERROR_OTHER;
    }
    if (error->domain == GST_STREAM_ERROR) switch (error->code) {
        case GST_STREAM_ERROR_TYPE_NOT_FOUND: return TAVIS_ERROR_TYPE_NOT_FOUND;
        case GST_STREAM_ERROR_WRONG_TYPE: return TAVIS_ERROR_WRONG_TYPE;
        case GST_STREAM_ERROR_CODEC_NOT_FOUND: return TAVIS_ERROR_CODEC_NOT_FOUND;
        case GST_STREAM_ERROR_DEMUX: return TAVIS_ERROR_DEMUX;
        case GST_STREAM_ERROR_DECODE: return TAVIS_ERROR_DECODE;
        default: return TAVIS_ERROR_OTHER;
    }
    if (error->domain == GST_CORE_ERROR && error->code == GST_CORE_ERROR_MISSING_PLUGIN)
        return TAVIS_ERROR_MISSING_PLUGIN;
    if (error->domain == GST_PARSE_ERROR && error->code == GST_PARSE_ERROR_NO_SUCH_ELEMENT)
        return TAVIS_ERROR_MISSING_PLUGIN;
    return TAVIS_ERROR_OTHER;
}

/// The first value of a tag as text, to be freed with g_free; NULL for pictures and blobs.
static inline char *tavis_tag_text(const GstTagList *list, const char *name) {
    const GValue *value = gst_tag_list_get_value_index(list, name, 0);
    if (!value || G_VALUE_HOLDS(value, GST_TYPE_SAMPLE) || G_VALUE_HOLDS(value, GST_TYPE_BUFFER)) return NULL;
    if (G_VALUE_HOLDS_STRING(value)) return g_value_dup_string(value);
    return gst_value_serialize(value);
}
static inline void tavis_tag_list_unref(GstTagList *list) { gst_tag_list_unref(list); }
static inline void tavis_sample_unref(GstSample *sample) { gst_sample_unref(sample); }
static inline void tavis_buffer_unref(GstBuffer *buffer) { gst_buffer_unref(buffer); }
