// SPDX-License-Identifier: Apache-2.0
#include <mpi.h>

// MPI's communicators, types and operations are macros around casts, which Swift cannot see: hence these functions.
// Each returns MPI_SUCCESS or the error, which no call may answer by ending the program.

/// For one calling thread. From here on errors are returned.
static inline int tavis_mpi_start(int *rank, int *size) {
    int provided = 0;
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (code == MPI_SUCCESS) code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (code == MPI_SUCCESS) code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(MPI_COMM_WORLD, size);
    return code;
}

/// values[i] = Σ values[i] of all processes.
static inline int tavis_mpi_sum(float *values, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

/// counts[r] = the count that process r gives.
static inline int tavis_mpi_gather_counts(int own, int *counts) {
    return MPI_Allgather(&own, 1, MPI_INT, counts, 1, MPI_INT, MPI_COMM_WORLD);
}

/// The bytes of process r go to all + offsets[r].
static inline int tavis_mpi_gather(const void *own, int count, void *all, const int *counts, const int *offsets) {
    return MPI_Allgatherv(own, count, MPI_BYTE, all, counts, offsets, MPI_BYTE, MPI_COMM_WORLD);
}

static inline int tavis_mpi_finish(void) { return MPI_Finalize(); }

/// text has MPI_MAX_ERROR_STRING bytes.
static inline void tavis_mpi_explain(int code, char *text) {
    int length = 0;
    if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) text[0] = 0;
}
