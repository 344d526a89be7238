// SPDX-License-Identifier: Apache-2.0
// What live inputs need of GStreamer beyond shim.h.
#pragma once
#include "shim.h"

/// Caps from text that the program made itself; FALSE where it is none or there is no such property.
static inline gboolean tavis_set_caps(GstElement *element, const char *name, const char *text) {
    if (!g_object_class_find_property(G_OBJECT_GET_CLASS(element), name)) return FALSE;
    GstCaps *caps = gst_caps_from_string(text);
    if (!caps) return FALSE;
    g_object_set(element, name, caps, NULL);
    gst_caps_unref(caps);
    return TRUE;
}

/// Sets an enumeration or flags by the names that gst-inspect shows; FALSE where there is no such one.
static inline gboolean tavis_set_by_name(GstElement *element, const char *name, const char *text) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
    if (!spec) return FALSE;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    gboolean known = gst_value_deserialize(&value, text);
    if (known) g_object_set_property(G_OBJECT(element), name, &value);
    g_value_unset(&value);
    return known;
}

static gboolean tavis_is_wanted_stream(GstElement *source, guint index, GstCaps *caps, gpointer wanted) {
    (void)source;
    (void)index;
    const char *media = gst_structure_get_string(gst_caps_get_structure(caps, 0), "media");
    return media && g_str_equal(media, (const char *)wanted);
}
/// Lets an rtspsrc ask for streams of one kind (`video`, `audio`) only.
static inline void tavis_rtspsrc_select(GstElement *source, const char *media) {
    g_signal_connect_data(source, "select-stream", G_CALLBACK(tavis_is_wanted_stream), g_strdup(media),
                          (GClosureNotify)(void (*)(void))g_free, (GConnectFlags)0);
}

/// Times the pipeline by the machine's monotonic clock, whatever its elements offer.
static inline void tavis_use_system_clock(GstElement *pipeline) {
    GstClock *clock = gst_system_clock_obtain();
    gst_pipeline_use_clock(GST_PIPELINE(pipeline), clock);
    gst_object_unref(clock);
}
static inline GstClockTime tavis_base_time(GstElement *pipeline) { return gst_element_get_base_time(pipeline); }
