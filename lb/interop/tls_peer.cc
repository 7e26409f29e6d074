// One end of TLS by lb/tls, over plain sockets on loopback, for tests against
// other people's programs (tls_test.py).
//
//   tls_peer server FLAGS   prints "listening PORT"; then of each connection,
//   one
//                           after the other, what became of it. Sends back in
//                           capitals what it reads.
//   tls_peer client FLAGS   sends --text, prints what comes back.
//
// Prints  open VERSION CIPHER sni=... alpn=... resumed=... subject=...
//         failed ERROR: DETAIL
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "io/unique_fd.h"
#include "lb/tls/context.h"
#include "lb/tls/session.h"

ABSL_FLAG(std::string, folder, "lb/tls/testdata", "Of the certificates.");
ABSL_FLAG(int, port, 0, "Of the other side, for a client.");
ABSL_FLAG(std::vector<std::string>, certificates, {}, "Names of files.");
ABSL_FLAG(bool, ocsp, false, "Staple the first one's response.");
ABSL_FLAG(std::vector<std::string>, alpn, {}, "Protocols.");
ABSL_FLAG(std::string, ca, "", "Who signs the other side's certificate.");
ABSL_FLAG(bool, verify, true, "A client: verify.");
ABSL_FLAG(bool, required, false, "A server: a client's certificate.");
ABSL_FLAG(std::vector<std::string>, ticket_secrets, {}, "One letter each.");
ABSL_FLAG(std::string, server_name, "", "A client: of the server.");
ABSL_FLAG(std::string, text, "", "A client: what to send.");

namespace ballast {
namespace {

std::string Read(const std::string& name) {
  const std::string path = absl::StrCat(absl::GetFlag(FLAGS_folder), "/", name);
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(1);
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<tls::Certificate> Certificates() {
  std::vector<tls::Certificate> made;
  for (const std::string& name : absl::GetFlag(FLAGS_certificates)) {
    made.push_back(
        {.chain = Read(name + ".pem"), .key = Read(name + ".key.pem")});
  }
  return made;
}

template <typename Context>
std::shared_ptr<const Context> Must(
    absl::StatusOr<std::shared_ptr<const Context>> made) {
  if (made.ok()) return *std::move(made);
  std::fprintf(stderr, "%s\n", made.status().ToString().c_str());
  std::exit(1);
}

std::shared_ptr<const tls::ServerContext> MakeServer() {
  tls::ServerOptions options;
  options.certificates = Certificates();
  if (absl::GetFlag(FLAGS_ocsp)) {
    options.certificates[0].ocsp = Read("one.ocsp.der");
  }
  options.alpn = absl::GetFlag(FLAGS_alpn);
  if (!absl::GetFlag(FLAGS_ca).empty()) {
    options.client_ca = Read(absl::GetFlag(FLAGS_ca) + ".pem");
    options.client_certificates = absl::GetFlag(FLAGS_required)
                                      ? tls::ClientCertificates::kRequired
                                      : tls::ClientCertificates::kAsked;
  }
  for (const std::string& letter : absl::GetFlag(FLAGS_ticket_secrets)) {
    std::array<uint8_t, 32> secret;
    secret.fill(static_cast<uint8_t>(letter.at(0)));
    options.ticket_keys.push_back(tls::MakeTicketKey(secret));
  }
  return Must(tls::ServerContext::Create(options));
}

std::shared_ptr<const tls::ClientContext> MakeClient() {
  tls::ClientOptions options;
  options.verify = absl::GetFlag(FLAGS_verify);
  if (options.verify) options.ca = Read(absl::GetFlag(FLAGS_ca) + ".pem");
  options.alpn = absl::GetFlag(FLAGS_alpn);
  const auto certificates = Certificates();
  if (!certificates.empty()) options.certificate = certificates[0];
  return Must(tls::ClientContext::Create(options));
}

void Report(const tls::Session& session) {
  if (session.state() == tls::SessionState::kFailed) {
    std::printf("failed %s: %s\n", tls::SessionErrorName(session.error()),
                session.detail().c_str());
  } else {
    const auto& info = session.info();
    std::printf("open %s %s sni=%s alpn=%s resumed=%d subject=%s\n",
                info.version == tls::Version::kTls13 ? "1.3" : "1.2",
                info.cipher.c_str(), info.server_name.c_str(),
                info.alpn.c_str(), info.resumed ? 1 : 0,
                info.peer_subject.c_str());
  }
  std::fflush(stdout);
}

// False: the wire has ended.
bool SendAll(int fd, tls::Session& session) {
  std::array<uint8_t, 16384> bytes;
  while (const size_t count = session.TakeCipher(bytes)) {
    if (send(fd, bytes.data(), count, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(count)) {
      return false;
    }
  }
  return true;
}

// Goes on until both sides are done. `on_text` is given what was read.
template <typename OnText>
void Run(int fd, tls::Session& session, const std::string& text,
         OnText&& on_text) {
  bool reported = false;
  bool opened = false;
  session.OnCipher(absl::Now(), {});
  while (true) {
    if (!reported && session.state() != tls::SessionState::kHandshake) {
      reported = true;
      opened = session.state() != tls::SessionState::kFailed;
      Report(session);
      session.Write(
          {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    }
    if (!SendAll(fd, session) ||
        session.state() == tls::SessionState::kFailed ||
        session.state() == tls::SessionState::kPeerClosed) {
      break;
    }
    std::array<uint8_t, 16384> bytes;
    const ssize_t got = recv(fd, bytes.data(), bytes.size(), 0);
    if (got <= 0) {
      session.OnWireEnd();
    } else {
      auto left = std::span(bytes).first(static_cast<size_t>(got));
      while (!left.empty()) {
        left = left.subspan(session.OnCipher(absl::Now(), left));
        std::array<uint8_t, 16384> plain;
        while (const size_t read = session.Read(plain)) {
          on_text(std::string(plain.begin(), plain.begin() + read));
        }
      }
    }
  }
  // Who opened it may still end it badly; that nobody closes is usual.
  if (!reported || (opened && session.state() == tls::SessionState::kFailed &&
                    session.error() != tls::SessionError::kTruncated)) {
    Report(session);
  }
  session.Close();
  SendAll(fd, session);
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int Serve() {
  const auto context = MakeServer();
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, length) != 0 ||
      listen(listener.get(), 16) != 0 ||
      getsockname(listener.get(), generic, &length) != 0) {
    std::perror("listen");
    return 1;
  }
  std::printf("listening %d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  while (true) {
    const UniqueFd fd(accept(listener.get(), nullptr, nullptr));
    const auto session = tls::Session::Server(context);
    Run(fd.get(), *session, "", [&](const std::string& text) {
      const std::string loud = absl::AsciiStrToUpper(text);
      session->Write(
          {reinterpret_cast<const uint8_t*>(loud.data()), loud.size()});
    });
    shutdown(fd.get(), SHUT_WR);
  }
}

int Ask() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in address = Loopback(absl::GetFlag(FLAGS_port));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof(address)) != 0) {
    std::perror("connect");
    return 1;
  }
  const auto session =
      tls::Session::Client(MakeClient(), absl::GetFlag(FLAGS_server_name));
  const std::string text = absl::GetFlag(FLAGS_text);
  size_t answered = 0;
  Run(fd.get(), *session, text.empty() ? text : text + "\n",
      [&](const std::string& answer) {
        std::printf("%s", answer.c_str());
        answered += answer.size();
        if (answered > text.size()) {
          session->Close();
          SendAll(fd.get(), *session);
          shutdown(fd.get(), SHUT_WR);
        }
      });
  return session->state() == tls::SessionState::kFailed &&
                 session->error() != tls::SessionError::kTruncated
             ? 1
             : 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  const auto words = absl::ParseCommandLine(argc, argv);
  const absl::string_view role = words.size() == 2 ? words[1] : "";
  if (role == "server") return ballast::Serve();
  if (role == "client") return ballast::Ask();
  std::fprintf(stderr, "usage: tls_peer server|client FLAGS\n");
  return 2;
}
