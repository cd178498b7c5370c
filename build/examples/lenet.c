/* Reads a picture and the weights, predicts, and compares with what was expected. */
#include "lenet.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* How far results may be from what was expected: other machines sum up in another order. */
#ifndef TOLERANCE
#define TOLERANCE 0
#endif

// ANCHOR: memory
static _Alignas(LENET_ALIGNMENT) unsigned char arena[LENET_ARENA_BYTES];
static _Alignas(LENET_ALIGNMENT) unsigned char weights[LENET_WEIGHTS_BYTES];
// ANCHOR_END: memory

static int take(const char *path, void *to, size_t bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) return 1;
    size_t found = fread(to, 1, bytes, file);
    fclose(file);
    return found != bytes;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e6 + time.tv_nsec * 1e-3;
}

int main(void) {
    float x[784], prediction[10], expected[10];
    if (take("lenet.weights", weights, sizeof weights) || take("x", x, sizeof x) || take("expected", expected, sizeof expected))
        return 1;
    double begin = now();
    // ANCHOR: run
    if (lenet_init(arena, weights, sizeof weights)) return 2;
    double ready = now();
    if (lenet_run(arena, x, prediction)) return 3;
    double first = now();
    // ANCHOR_END: run
    double shortest = 1e9;
    for (int i = 0; i < 2000; i++) {
        double start = now();
        lenet_run(arena, x, prediction);
        double took = now() - start;
        if (took < shortest) shortest = took;
    }
    double most = 0;
    for (int i = 0; i < 10; i++) most = fmax(most, fabs(prediction[i] - expected[i]));
    printf("C: init %.1f us, first run %.1f us, shortest %.1f us; largest difference %g\n", ready - begin, first - ready,
           shortest, most);
    return most > TOLERANCE ? 4 : 0;
}
