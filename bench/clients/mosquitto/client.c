/* libmosquitto under measure, MQTT 3.1.1. Default: its limit of 20 messages in flight, Nagle's algorithm on. Best: the
 * measured window, Nagle off. It is driven by its own loop on the thread that publishes. */
#include <inttypes.h>
#include <malloc.h>
#include <mosquitto.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TOPIC "bench/measured/topic"
#define PAYLOAD "{\"measured\":true,\"celsius\":21.50,\"at\":\"2024-02-29T12:00:00.00Z\"}"
#define LENGTH 64
#define WINDOW 1000
#define LOOK_EVERY 256
#define MOST_TRIPS 10000000

static const char *scenario = "", *setting = "default";
static int port, clients = 100;
static double limit = 1e9;
static uint64_t most = UINT64_MAX;

static uint64_t count, done;
static double began, cpu_began, trip_began;
static bool connected, subscribed, ended;
static uint32_t *trips;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void check(int code) {
    if (code != MOSQ_ERR_SUCCESS) fail(mosquitto_strerror(code));
}

static double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void begin(void) {
    began = seconds(CLOCK_MONOTONIC);
    cpu_began = seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static void finish(const char *more) {
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_began, time = seconds(CLOCK_MONOTONIC) - began;
    printf("{\"messages\":%" PRIu64 ",\"seconds\":%.9f,\"cpu\":%.9f%s}\n", count, time, cpu, more);
}

static bool over(uint64_t look_every) {
    return count >= most || (count % look_every == 0 && seconds(CLOCK_MONOTONIC) - began >= limit);
}

static void on_connect(struct mosquitto *client, void *object, int code) {
    (void)client, (void)object;
    check(code);
    connected = true;
}

static void on_subscribe(struct mosquitto *client, void *object, int id, int granted, const int *qos) {
    (void)client, (void)object, (void)id, (void)granted, (void)qos;
    subscribed = true;
}

static void on_publish(struct mosquitto *client, void *object, int id) {
    (void)client, (void)object, (void)id;
    done += 1;
}

static void on_message(struct mosquitto *client, void *object, const struct mosquitto_message *message) {
    (void)client, (void)object;
    const unsigned char *payload = message->payload;
    if (message->payloadlen == 16 && memcmp(payload, "the end:", 8) == 0) {
        uint64_t expected = 0;
        for (int at = 8; at < 16; at++) expected = expected << 8 | payload[at];
        if (expected != done) fail("other than the announced number of messages came");
        ended = true;
        return;
    }
    if (message->payloadlen != LENGTH) fail("the payload's length");
    done += 1;
}

static struct mosquitto *start(void) {
    struct mosquitto *client = mosquitto_new(NULL, true, NULL);
    if (!client) fail("out of memory");
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_publish_callback_set(client, on_publish);
    mosquitto_message_callback_set(client, on_message);
    if (strcmp(setting, "best") == 0) {
        check(mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1));
        check(mosquitto_max_inflight_messages_set(client, WINDOW));
    }
    connected = false;
    check(mosquitto_connect(client, "127.0.0.1", port, 60));
    while (!connected) check(mosquitto_loop(client, 1000, 1));
    return client;
}

static void publish(struct mosquitto *client, int qos) {
    check(mosquitto_publish(client, NULL, TOPIC, LENGTH, PAYLOAD, qos, false));
}

static void publish_all(struct mosquitto *client, int qos) {
    begin();
    while (!over(LOOK_EVERY)) {
        publish(client, qos);
        count += 1;
        /* A message of QoS 0 is done when it is written. */
        while (count - done >= WINDOW) check(mosquitto_loop(client, 1000, 1));
    }
    while (done < count) check(mosquitto_loop(client, 1000, 1));
    if (qos == 0) {
        publish(client, 1);
        while (done <= count) check(mosquitto_loop(client, 1000, 1));
    }
    finish("");
}

static void subscribe(struct mosquitto *client, int qos) {
    check(mosquitto_subscribe(client, NULL, TOPIC, qos));
}

static void receive(struct mosquitto *client, int qos) {
    begin();
    subscribe(client, qos);
    while (!ended) check(mosquitto_loop(client, 1000, 1));
    count = done;
    finish("");
    while (mosquitto_want_write(client)) check(mosquitto_loop(client, 1000, 1));
    check(mosquitto_disconnect(client));
}

static int compare(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void take_trips(struct mosquitto *client, int qos) {
    char more[100];
    if (!(trips = malloc(MOST_TRIPS * sizeof *trips))) fail("out of memory");
    if (qos == 0) {
        /* Only what comes back counts. */
        mosquitto_publish_callback_set(client, NULL);
        subscribe(client, 0);
        while (!subscribed) check(mosquitto_loop(client, 1000, 1));
    }
    begin();
    while (!over(1) && count < MOST_TRIPS) {
        trip_began = seconds(CLOCK_MONOTONIC);
        publish(client, qos);
        count += 1;
        while (done < count) check(mosquitto_loop(client, 1000, 1));
        trips[count - 1] = (uint32_t)((seconds(CLOCK_MONOTONIC) - trip_began) * 1e9);
    }
    qsort(trips, count, sizeof *trips, compare);
    snprintf(more, sizeof more, ",\"p50\":%.9f,\"p99\":%.9f", trips[count / 2] / 1e9, trips[count * 99 / 100] / 1e9);
    finish(more);
}

static uint64_t resident(void) {
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*s %" SCNu64, &pages) != 1) fail("/proc/self/statm");
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void idle(void) {
    start();
    uint64_t before = resident();
    size_t heap = mallinfo2().uordblks;
    for (int at = 0; at < clients; at++) start();
    sleep(2);
    double each = (double)(resident() - before) / clients;
    double allocated = (double)(mallinfo2().uordblks - heap) / clients;
    printf("{\"messages\":%d,\"heap\":%.1f,\"resident\":%.1f}\n", clients, allocated, each);
}

int main(int count_of_words, char **words) {
    for (int at = 1; at < count_of_words; at++) {
        char *value = strchr(words[at], '=');
        if (!value) fail("arguments are name=value");
        *value++ = 0;
        if (strcmp(words[at], "scenario") == 0) scenario = value;
        if (strcmp(words[at], "setting") == 0) setting = value;
        if (strcmp(words[at], "port") == 0) port = atoi(value);
        if (strcmp(words[at], "time") == 0) limit = atof(value) / 1e3;
        if (strcmp(words[at], "messages") == 0) most = strtoull(value, NULL, 10);
        if (strcmp(words[at], "clients") == 0) clients = atoi(value);
    }
    mosquitto_lib_init();
    if (strcmp(scenario, "idle") == 0) {
        idle();
        return 0;
    }
    int qos = scenario[strlen(scenario) - 1] - '0';
    struct mosquitto *client = start();
    if (strncmp(scenario, "pub", 3) == 0) publish_all(client, qos);
    else if (strncmp(scenario, "recv", 4) == 0) receive(client, qos);
    else if (strncmp(scenario, "trip", 4) == 0) take_trips(client, qos);
    else fail("no such scenario");
    return 0;
}
