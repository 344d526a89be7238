// SPDX-License-Identifier: Apache-2.0
// What the RTSP server and other live outputs need beyond shim.h: signals, and variadic constructors.
#pragma once
#include "shim.h"
#include <gst/rtsp-server/rtsp-server.h>

/// Whom a mount tells of its pipeline. `context` is retained once for the mount and once for each media of it, which
/// may outlive the mount.
typedef struct {
    /// Called with the bin of the pipeline when viewers come, with NULL when the last has gone.
    void (*changed)(void *context, GstElement *bin, GstRTSPMedia *media);
    void (*retain)(void *context);
    void (*release)(void *context);
    void *context;
} TavisMount;

static TavisMount *tavis_mount_copy(const TavisMount *mount) {
    TavisMount *copy = g_new(TavisMount, 1);
    *copy = *mount;
    copy->retain(copy->context);
    return copy;
}
static void tavis_mount_free(gpointer data) {
    TavisMount *mount = data;
    mount->release(mount->context);
    g_free(mount);
}
static void tavis_mount_closed(gpointer data, GClosure *closure) {
    (void)closure;
    tavis_mount_free(data);
}

static void tavis_media_unprepared(GstRTSPMedia *media, gpointer data) {
    TavisMount *mount = data;
    mount->changed(mount->context, NULL, media);
}
static void tavis_media_configure(GstRTSPMediaFactory *factory, GstRTSPMedia *media, gpointer data) {
    (void)factory;
    TavisMount *mount = data;
    GstElement *bin = gst_rtsp_media_get_element(media);
    g_signal_connect_data(media, "unprepared", G_CALLBACK(tavis_media_unprepared), tavis_mount_copy(mount),
                          tavis_mount_closed, (GConnectFlags)0);
    mount->changed(mount->context, bin, media);
    gst_object_unref(bin);
}

/// Viewers of the first stream of a media.
static inline guint tavis_media_viewers(GstRTSPMedia *media) {
    GstRTSPStream *stream = gst_rtsp_media_get_stream(media, 0);
    if (!stream) return 0;
    GList *all = gst_rtsp_stream_transport_filter(stream, NULL, NULL);
    guint count = g_list_length(all);
    g_list_free_full(all, g_object_unref);
    return count;
}

/// A mount whose pipeline all its viewers share. `role` is the role that may watch, NULL for everybody.
static inline GstRTSPMediaFactory *tavis_mount_new(const char *launch, const char *role, const TavisMount *mount) {
    GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
    gst_rtsp_media_factory_set_launch(factory, launch);
    gst_rtsp_media_factory_set_shared(factory, TRUE);
    gst_rtsp_media_factory_set_suspend_mode(factory, GST_RTSP_SUSPEND_MODE_NONE);
    if (role)
        gst_rtsp_media_factory_add_role(factory, role, GST_RTSP_PERM_MEDIA_FACTORY_ACCESS, G_TYPE_BOOLEAN, TRUE,
                                        GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, G_TYPE_BOOLEAN, TRUE, NULL);
    g_signal_connect_data(factory, "media-configure", G_CALLBACK(tavis_media_configure), tavis_mount_copy(mount),
                          tavis_mount_closed, (GConnectFlags)0);
    return factory;
}

/// Asks viewers for `user` and `password`; who knows them has `role`.
static inline void tavis_rtsp_server_protect(GstRTSPServer *server, const char *user, const char *password,
                                             const char *role) {
    GstRTSPAuth *auth = gst_rtsp_auth_new();
    GstRTSPToken *token = gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, role, NULL);
    gchar *basic = gst_rtsp_auth_make_basic(user, password);
    gst_rtsp_auth_add_basic(auth, basic, token);
    g_free(basic);
    gst_rtsp_token_unref(token);
    gst_rtsp_server_set_auth(server, auth);
    g_object_unref(auth);
}

static gboolean tavis_session_cleanup(gpointer pool) {
    gst_rtsp_session_pool_cleanup(GST_RTSP_SESSION_POOL(pool));
    return G_SOURCE_CONTINUE;
}
/// Lets sessions of viewers that went without a word end; `limit` may exist at once.
static inline void tavis_rtsp_server_watch_sessions(GstRTSPServer *server, GMainContext *context, guint limit) {
    GstRTSPSessionPool *pool = gst_rtsp_server_get_session_pool(server);
    gst_rtsp_session_pool_set_max_sessions(pool, limit);
    GSource *timer = g_timeout_source_new_seconds(5);
    g_source_set_callback(timer, tavis_session_cleanup, pool, g_object_unref);
    g_source_attach(timer, context);
    g_source_unref(timer);
}

static GstRTSPFilterResult tavis_any_client(GstRTSPServer *server, GstRTSPClient *client, gpointer data) {
    (void)server;
    (void)client;
    (void)data;
    return GST_RTSP_FILTER_REMOVE;
}
static inline void tavis_rtsp_server_drop_clients(GstRTSPServer *server) {
    g_list_free(gst_rtsp_server_client_filter(server, tavis_any_client, NULL));
}

static inline GstElement *tavis_bin_get_deep(GstElement *bin, const char *name) {
    return gst_bin_get_by_name_recurse_up(GST_BIN(bin), name);
}

/// `FOLDER/NAME-YYYYmmdd-HHMMSS.EXT` in UTC, with _1, _2, … where that is taken; by name they are in the order of time.
static gchar *tavis_file_name(GstElement *sink, guint number, GstSample *sample, gpointer data) {
    (void)sink;
    (void)number;
    (void)sample;
    gchar **parts = data;
    GDateTime *now = g_date_time_new_now_utc();
    gchar *stamp = g_date_time_format(now, "%Y%m%d-%H%M%S");
    g_date_time_unref(now);
    gchar *path = g_strdup_printf("%s-%s.%s", parts[0], stamp, parts[1]);
    for (int turn = 1; g_file_test(path, G_FILE_TEST_EXISTS) && turn < 1000; turn++) {
        g_free(path);
        path = g_strdup_printf("%s-%s_%d.%s", parts[0], stamp, turn, parts[1]);
    }
    g_free(stamp);
    return path;
}
/// Names the files of a splitmuxsink by the time when they begin.
static inline void tavis_name_files(GstElement *sink, const char *prefix, const char *extension) {
    gchar **parts = g_new0(gchar *, 3);
    parts[0] = g_strdup(prefix);
    parts[1] = g_strdup(extension);
    g_signal_connect_data(sink, "format-location-full", G_CALLBACK(tavis_file_name), parts,
                          (GClosureNotify)(void (*)(void))g_strfreev, (GConnectFlags)0);
}
