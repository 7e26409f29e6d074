// One ballastd of a pair, on a host of the testbed: written configuration,
// process, and what it says.
//
//   UnitProcess first(testbed->unit(0), "First", folder + "/first");
//   first.Configure(text);
//   first.Start(ballastd);
//   ... until first.role() == "active" ...
//   first.Signal(SIGKILL);
//
// Errors   absl::Status for files and processes. What ballastd itself finds
//          wrong is in log().
// Threads  one of its own reads the log; role() to log() from any thread, the
//          rest from one.
// Bounds   the last kLogMax lines are kept.
#ifndef EXAMPLES_UNIT_PROCESS_H_
#define EXAMPLES_UNIT_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "io/process_namespace.h"

namespace ballast::testbed {

class UnitProcess {
 public:
  static constexpr size_t kLogMax = 200;

  // `host` outlives it. `folder` is there; the configuration file and the
  // unit's state are in it. With `print`, what it logs is printed as it comes.
  UnitProcess(const NetNamespace& host, std::string name, std::string folder,
              bool print)
      : host_(host),
        name_(std::move(name)),
        folder_(std::move(folder)),
        print_(print) {}
  // Kills what still runs.
  ~UnitProcess();
  UnitProcess(const UnitProcess&) = delete;
  UnitProcess& operator=(const UnitProcess&) = delete;

  const std::string& name() const { return name_; }
  const std::string& folder() const { return folder_; }

  // Writes the file; Start() or SIGHUP has it read.
  absl::Status Configure(absl::string_view text) const;
  // `program` is ballastd. It must not be running.
  absl::Status Start(const std::string& program);
  // After SIGKILL and SIGTERM it waits for the end.
  void Signal(int signal);

  // "active", "standby" and so on, as last logged; "gone" if it does not run.
  std::string role() const;
  // It stands by with a table equal to the active unit's.
  bool synced() const;
  // How many lines it has logged, and whether one of those after `since`, as
  // far as they are kept, has `text` in it.
  uint64_t lines() const;
  bool Logged(absl::string_view text, uint64_t since) const;
  std::vector<std::string> log() const;

 private:
  std::string Path() const { return folder_ + "/ballast.textproto"; }
  void ReadLog(int fd);
  void OnLine(const std::string& line);

  const NetNamespace& host_;
  const std::string name_;
  const std::string folder_;
  const bool print_;
  pid_t pid_ = -1;
  std::thread reader_;
  mutable std::mutex mutex_;
  std::string role_ = "gone";
  bool synced_ = false;
  uint64_t lines_ = 0;
  std::deque<std::string> log_;
};

}  // namespace ballast::testbed

#endif  // EXAMPLES_UNIT_PROCESS_H_
