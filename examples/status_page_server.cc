// A unit that seems to work (ExampleBackend) with its status page, API and
// metrics, by plain HTTP on a loopback port: for trying the page in a browser.
//
//   status_page_server [--role=VIEWER|OPERATOR|ADMIN]
//
// Prints its URL; ends with its standard input.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "lb/admin/example_backend.h"
#include "lb/admin/exposition.h"
#include "lb/admin/metrics.h"
#include "lb/admin/status_page.h"
#include "lb/admin/v1.h"

namespace ballast::admin {
namespace {

constexpr size_t kRequestMax = 64 * 1024;

constexpr char kConfig[] = R"(
    interfaces { name: "lan0" }
    virtual_services { name: "shop" address: "192.0.2.10" port: 80 schedule: SH
      real_servers { name: "anna" address: "192.0.2.21" }
      real_servers { name: "berta" address: "192.0.2.22" }
      real_servers { name: "carla" address: "192.0.2.23" }
      real_servers { name: "doris" address: "192.0.2.24" }
      real_servers { name: "emma" address: "192.0.2.25" } }
    virtual_services { name: "mail" address: "192.0.2.11" port: 25 schedule: LC
      real_servers { address: "192.0.2.31" }
      real_servers { address: "192.0.2.32" } })";

struct HttpRequest {
  std::string method;
  std::string path;
  std::string head;
  std::string body;

  std::string Field(absl::string_view name) const {
    for (const absl::string_view line : absl::StrSplit(head, "\r\n")) {
      const size_t colon = line.find(':');
      if (colon == absl::string_view::npos) continue;
      if (!absl::EqualsIgnoreCase(line.substr(0, colon), name)) continue;
      return std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
    }
    return "";
  }
};

// False: the client did not finish one in time.
bool ReadRequest(int fd, HttpRequest* request) {
  std::string bytes;
  size_t wanted = 0;  // 0: the head is not there yet.
  while (wanted == 0 || bytes.size() < wanted) {
    char chunk[4096];
    const ssize_t count = recv(fd, chunk, sizeof chunk, 0);
    if (count <= 0 || bytes.size() > kRequestMax) return false;
    bytes.append(chunk, static_cast<size_t>(count));
    const size_t end = bytes.find("\r\n\r\n");
    if (wanted > 0 || end == std::string::npos) continue;
    request->head = bytes.substr(0, end);
    uint32_t length = 0;
    (void)absl::SimpleAtoi(request->Field("Content-Length"), &length);
    wanted = end + 4 + length;
  }
  request->body = bytes.substr(request->head.size() + 4);
  const std::vector<std::string> words =
      absl::StrSplit(request->head.substr(0, request->head.find("\r\n")), ' ');
  if (words.size() != 3) return false;
  request->method = words[0];
  request->path = words[1];
  return true;
}

struct HttpReply {
  int status = 200;
  std::string type;
  std::string body;
};

HttpReply Answer(const HttpRequest& request, config::proto::User::Role role,
                 ExampleBackend* backend) {
  backend->now = absl::Now();
  if (request.path == "/metrics") {
    return {200, std::string(kExpositionType),
            MetricsText(backend->GetStatistics())};
  }
  if (absl::StartsWith(request.path, "/v1/")) {
    const std::string content_type = request.Field("Content-Type");
    const std::string ballast_request = request.Field("X-Ballast-Request");
    const std::string fetch_site = request.Field("Sec-Fetch-Site");
    V1Reply reply = AnswerV1(absl::Now(),
                             {.post = request.method == "POST",
                              .path = request.path,
                              .body = request.body,
                              .content_type = content_type,
                              .ballast_request = ballast_request,
                              .fetch_site = fetch_site,
                              .role = role,
                              .author = {.user = "bal", .from = "127.0.0.1"}},
                             backend);
    return {reply.status, "application/json", std::move(reply.json)};
  }
  const PageFile* const file = FindPageFile(request.path);
  if (file == nullptr) return {404, "text/plain", "Not Found\n"};
  return {200, std::string(file->content_type), std::string(file->body)};
}

void Serve(int fd, config::proto::User::Role role, ExampleBackend* backend) {
  const timeval patience = {.tv_sec = 2, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  HttpRequest request;
  if (!ReadRequest(fd, &request)) return;
  const HttpReply reply = Answer(request, role, backend);
  std::string text = absl::StrCat(
      "HTTP/1.1 ", reply.status, " .\r\nCache-Control: no-store\r\n",
      "X-Content-Type-Options: nosniff\r\nContent-Type: ", reply.type,
      "\r\nConnection: close\r\nContent-Length: ", reply.body.size(), "\r\n");
  for (const auto& [name, value] : PageFields()) {
    absl::StrAppend(&text, name, ": ", value, "\r\n");
  }
  absl::StrAppend(&text, "\r\n", reply.body);
  absl::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t count = send(fd, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (count <= 0) return;
    rest.remove_prefix(static_cast<size_t>(count));
  }
}

int Run(int argc, char** argv) {
  auto role = config::proto::User::ADMIN;
  for (int i = 1; i < argc; ++i) {
    absl::string_view option = argv[i];
    if (!absl::ConsumePrefix(&option, "--role=") ||
        !config::proto::User::Role_Parse(std::string(option), &role)) {
      std::fprintf(stderr, "unknown: %s\n", argv[i]);
      return 2;
    }
  }
  ExampleBackend backend(kConfig);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, any, size) != 0 || listen(listener, 64) != 0 ||
      getsockname(listener, any, &size) != 0) {
    std::perror("status_page_server");
    return 1;
  }
  std::printf("http://127.0.0.1:%d/\n", ntohs(address.sin_port));
  std::fflush(stdout);
  for (;;) {
    pollfd ready[] = {{listener, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(ready, 2, -1) < 0 || ready[1].revents != 0) return 0;
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    Serve(fd, role, &backend);
    close(fd);
  }
}

}  // namespace
}  // namespace ballast::admin

int main(int argc, char** argv) { return ballast::admin::Run(argc, argv); }
