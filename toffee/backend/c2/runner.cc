// toffee/backend/c2/runner.cc -- the process in which Caffe2 runs the nets of one graph.
//
// Shipped as source and built on the user's machine by `python -m toffee.backend.c2 install`,
// against the Caffe2 of PyTorch 1.10.2. toffee/backend/c2/_process.py is the other side.
//
//   runner --selftest              prints "ok <number of CPU operators>"
//   runner --template FD PARENT    see run_template(); PARENT is a pidfd of the Python process or
//   -1
//
// The template is this program with its libraries loaded and nothing else done. Python asks it for
// runners, one a prepared graph, which are forks of it. Each has a Unix socket for commands, and
// tensors lie in files in memory (memfd) or in the file of the weights, which travel over the
// socket as descriptors. Nothing has a name in a file system, so nothing can be left behind.
//
// A message is a header {kind, number of descriptors, size} and a body, in the byte order of the
// machine. Both sides check every length: one may be older than the other, or be dying.
//
// libtorch keeps protobuf's own symbols to itself: no message can be built or parsed here, except
// by what caffe2 exports (ParseProtoFromLargeString), and accessors that live in headers alone.
// Their checks do not, so that this has to be built as libtorch was, without them.
#ifndef NDEBUG
#define NDEBUG
#endif

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "ATen/Parallel.h"
#include "caffe2/core/init.h"
#include "caffe2/core/operator.h"
#include "caffe2/core/workspace.h"
#include "caffe2/utils/proto_utils.h"

namespace {

// ---- limits, and what goes over the socket -----------------------------------------------------

// The same numbers are in _channel.py, _memory.py and _process.py.
constexpr uint32_t kProtocol = 1;
constexpr uint64_t kMaxBody = uint64_t{1} << 30;  // protobuf itself stops at 2 GiB
constexpr uint32_t kMaxFds = 64;                  // the kernel passes 253 at once
constexpr uint32_t kMaxRank = 64;
constexpr size_t kAlignment = 64;  // of tensors in shared memory
constexpr int kIdleMilliseconds = 3000;
constexpr size_t kStatusesKept = 1024;

enum Kind : uint32_t {
  kReady = 1,     // template: it has started {protocol, its process id}
  kStart = 2,     // template: fork a runner; descriptors: its socket, its stderr
  kStarted = 3,   // {its number, its process id}
  kEnd = 4,       // template: end a runner {its number}
  kEnded = 5,     // {known, the status that waitpid gave}
  kPrepare = 6,   // runner: the nets and the weights
  kPrepared = 7,  // {}
  kRun = 8,       // runner: the inputs
  kResult = 9,    // {seconds, the outputs}; descriptor: where they lie
  kFailed = 10,   // {stage, operator, Caffe2's message}
};

enum Stage : uint32_t {
  kOther = 0,
  kInitNet = 1,         // an operator of init_net
  kCreateOperator = 2,  // an operator of predict_net cannot be made
  kRunOperator = 3,     // an operator of predict_net failed
};

struct Header {
  uint32_t kind;
  uint32_t fds;
  uint64_t size;
};
static_assert(sizeof(Header) == 16, "the header has no holes");

// The element types, by their number in ToffeeIR.
struct ElementType {
  uint32_t number;
  caffe2::TypeMeta meta;
};

const std::vector<ElementType> &element_types() {
  static const std::vector<ElementType> types = {
      {1, caffe2::TypeMeta::Make<float>()},   {2, caffe2::TypeMeta::Make<uint8_t>()},
      {3, caffe2::TypeMeta::Make<int8_t>()},  {5, caffe2::TypeMeta::Make<int16_t>()},
      {6, caffe2::TypeMeta::Make<int32_t>()}, {7, caffe2::TypeMeta::Make<int64_t>()},
      {9, caffe2::TypeMeta::Make<bool>()},    {10, caffe2::TypeMeta::Make<at::Half>()},
      {11, caffe2::TypeMeta::Make<double>()}, {16, caffe2::TypeMeta::Make<at::BFloat16>()},
  };
  return types;
}

// ---- what owns something -----------------------------------------------------------------------

[[noreturn]] void throw_errno(const char *what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd &&other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  Fd &operator=(Fd &&other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd &) = delete;
  Fd &operator=(const Fd &) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// A part of a file, mapped for reading alone: an operator that writes to a weight or an input would
// make the next run give another result, so that it had better die.
class Mapping {
 public:
  Mapping() = default;
  // Bytes START to END of FD. Throws if the file is shorter, or cannot be mapped.
  Mapping(const Fd &fd, uint64_t start, uint64_t end) {
    if (start >= end) return;
    struct stat info;
    if (fstat(fd.get(), &info) != 0) throw_errno("fstat");
    if (end > static_cast<uint64_t>(info.st_size))
      throw std::runtime_error("a tensor lies behind the end of its file");
    const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    start_ = start / page * page;
    size_ = end - start_;
    void *at = mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), static_cast<off_t>(start_));
    if (at == MAP_FAILED) {
      size_ = 0;
      throw_errno("cannot map the memory of tensors");
    }
    data_ = static_cast<char *>(at);
  }
  Mapping(Mapping &&other) noexcept { *this = std::move(other); }
  Mapping &operator=(Mapping &&other) noexcept {
    std::swap(data_, other.data_);
    std::swap(start_, other.start_);
    std::swap(size_, other.size_);
    return *this;
  }
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping() {
    if (size_) munmap(data_, size_);
  }
  // SIZE bytes at OFFSET of the file. Throws if they are not in the mapped part.
  const char *at(uint64_t offset, uint64_t size) const {
    if (offset < start_ || offset - start_ > size_ || size > size_ - (offset - start_))
      throw std::runtime_error("a tensor lies outside the memory that was passed");
    return data_ + (offset - start_);
  }

 private:
  char *data_ = nullptr;
  uint64_t start_ = 0;
  uint64_t size_ = 0;
};

// ---- bodies of messages ------------------------------------------------------------------------

class Reader {
 public:
  explicit Reader(const std::string &body) : at_(body.data()), left_(body.size()) {}

  uint32_t u32() { return number<uint32_t>(); }
  uint64_t u64() { return number<uint64_t>(); }
  int64_t i64() { return number<int64_t>(); }

  std::string text() {
    const uint64_t size = u64();
    const char *bytes = take(size);
    return std::string(bytes, size);
  }
  // A number of things that take at least LEAST bytes each.
  uint32_t count(size_t least) {
    const uint32_t n = u32();
    if (n > left_ / least) throw std::runtime_error("a command that is cut off");
    return n;
  }
  void done() const {
    if (left_ != 0) throw std::runtime_error("a command with bytes behind its end");
  }

 private:
  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  const char *take(uint64_t size) {
    if (size > left_) throw std::runtime_error("a command that is cut off");
    const char *bytes = at_;
    at_ += size;
    left_ -= size;
    return bytes;
  }

  const char *at_;
  uint64_t left_;
};

class Writer {
 public:
  template <typename T>
  void number(T value) {
    body_.append(reinterpret_cast<const char *>(&value), sizeof value);
  }
  void text(const std::string &bytes) {
    number<uint64_t>(bytes.size());
    body_ += bytes;
  }
  const std::string &body() const { return body_; }

 private:
  std::string body_;
};

// ---- the socket --------------------------------------------------------------------------------

struct Message {
  uint32_t kind = 0;
  std::string body;
  std::vector<Fd> fds;
};

// The control messages that fit MESSAGE's descriptors.
union Control {
  char bytes[CMSG_SPACE(sizeof(int) * kMaxFds)];
  cmsghdr align;
};

bool receive_bytes(int socket, char *to, uint64_t size) {
  while (size > 0) {
    const ssize_t n = recv(socket, to, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    size -= static_cast<uint64_t>(n);
  }
  return true;
}

// Wait for a message. False: the other side is gone, or sends what is no message.
bool receive(int socket, Message *message) {
  Header header;
  Control control;
  iovec part = {&header, sizeof header};
  msghdr head = {};
  head.msg_iov = &part;
  head.msg_iovlen = 1;
  head.msg_control = control.bytes;
  head.msg_controllen = sizeof control.bytes;
  ssize_t n;
  do {
    n = recvmsg(socket, &head, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return false;
  message->fds.clear();
  for (cmsghdr *c = CMSG_FIRSTHDR(&head); c; c = CMSG_NXTHDR(&head, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      message->fds.emplace_back(fd);
    }
  }
  if (!receive_bytes(socket, reinterpret_cast<char *>(&header) + n, sizeof header - n))
    return false;
  if (header.size > kMaxBody || header.fds != message->fds.size()) {
    std::fprintf(stderr, "runner: what came is no command; end\n");
    return false;
  }
  message->kind = header.kind;
  message->body.resize(header.size);
  return receive_bytes(socket, &message->body[0], header.size);
}

// False: the other side is gone. FD: to pass along, or -1.
bool send_message(int socket, uint32_t kind, const std::string &body, int fd = -1) {
  const Header header = {kind, fd >= 0 ? 1u : 0u, body.size()};
  Control control;
  std::memset(&control, 0, sizeof control);
  iovec parts[2] = {{const_cast<Header *>(&header), sizeof header},
                    {const_cast<char *>(body.data()), body.size()}};
  msghdr head = {};
  head.msg_iov = parts;
  head.msg_iovlen = 2;
  if (fd >= 0) {
    head.msg_control = control.bytes;
    head.msg_controllen = CMSG_SPACE(sizeof fd);
    cmsghdr *c = CMSG_FIRSTHDR(&head);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  while (head.msg_iovlen > 0) {
    ssize_t n = sendmsg(socket, &head, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    head.msg_control = nullptr;  // it went with the first byte
    head.msg_controllen = 0;
    while (head.msg_iovlen > 0 && static_cast<size_t>(n) >= head.msg_iov->iov_len) {
      n -= static_cast<ssize_t>(head.msg_iov->iov_len);
      head.msg_iov++;
      head.msg_iovlen--;
    }
    if (head.msg_iovlen > 0) {
      head.msg_iov->iov_base = static_cast<char *>(head.msg_iov->iov_base) + n;
      head.msg_iov->iov_len -= static_cast<size_t>(n);
    }
  }
  return true;
}

// ---- tensors -----------------------------------------------------------------------------------

struct Value {
  caffe2::TypeMeta meta;
  std::vector<int64_t> dims;
  uint64_t offset;
  uint64_t bytes;
};

// A tensor in a command: {type, rank, sizes, offset}. Throws unless all of it can be.
Value read_value(Reader *in) {
  Value value;
  const uint32_t number = in->u32();
  for (const ElementType &type : element_types())
    if (type.number == number) value.meta = type.meta;
  if (value.meta == caffe2::TypeMeta()) throw std::runtime_error("an unknown element type");
  const uint32_t rank = in->count(sizeof(int64_t));
  if (rank > kMaxRank) throw std::runtime_error("a tensor has too many dimensions");
  uint64_t bytes = value.meta.itemsize();
  bool empty = false;
  for (uint32_t i = 0; i < rank; i++) {
    const int64_t size = in->i64();
    if (size < 0) throw std::runtime_error("a tensor has a negative size");
    empty = empty || size == 0;
    value.dims.push_back(size);
    if (!empty && __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
      throw std::runtime_error("a tensor has more bytes than memory can have");
  }
  value.bytes = empty ? 0 : bytes;
  value.offset = in->u64();
  return value;
}

// Let BLOB be a tensor whose elements stay where they are, at DATA.
void alias(caffe2::Blob *blob, const Value &value, const char *data) {
  static char nothing[kAlignment];  // the address of a tensor without elements; one is wanted
  // A new one: operators that return views, as ATen's do, may still hold the one of the last run.
  blob->Reset();
  caffe2::Tensor *tensor = caffe2::BlobGetMutableTensor(blob, caffe2::CPU);
  tensor->Resize(value.dims);
  tensor->ShareExternalPointer(value.bytes ? const_cast<char *>(data) : nothing, value.meta,
                               value.bytes);
}

// ---- errors ------------------------------------------------------------------------------------

struct Failure {
  Stage stage;
  int64_t op;
  std::string message;
};

// Call FUNCTION; what it throws becomes the failure of operator OP in STAGE.
template <typename Function>
void in_stage(Stage stage, int64_t op, Function function) {
  try {
    function();
  } catch (const c10::Error &error) {
    throw Failure{stage, op, error.what_without_backtrace()};
  } catch (const std::bad_alloc &) {
    throw Failure{stage, op, "there is not enough memory"};
  } catch (const std::exception &error) {
    throw Failure{stage, op, error.what()};
  }
}

// ---- the nets of a graph -----------------------------------------------------------------------

class Session {
 public:
  Session(const Message &message) {
    Reader in(message.body);
    const uint32_t threads = in.u32();
    const std::string init_net = in.text();
    const std::string predict_net = in.text();
    share_weights(&in, message.fds);
    inputs_ = names(&in);
    outputs_ = names(&in);
    in.done();
    if (threads > 0) at::set_num_threads(static_cast<int>(threads));
    run_once(init_net);
    for (const std::string &name : inputs_) workspace_.CreateBlob(name);
    create(predict_net);
  }

  // The answer to a kRun, and the memory in which the outputs are (none if they have no bytes).
  std::string run(Message *message, Fd *memory) {
    Reader in(message->body);
    const uint64_t size = in.u64();
    if (!message->fds.empty()) area_ = Mapping(message->fds[0], 0, size);
    const uint32_t n = in.count(8);
    if (n != inputs_.size()) throw std::runtime_error("another number of inputs");
    for (const std::string &name : inputs_) {
      const Value value = read_value(&in);
      alias(workspace_.CreateBlob(name), value, area_.at(value.offset, value.bytes));
    }
    in.done();
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < operators_.size(); i++) {
      in_stage(kRunOperator, static_cast<int64_t>(i), [&] {
        if (!operators_[i]->Run()) throw std::runtime_error("the operator failed and says no more");
      });
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return collect(seconds.count(), memory);
  }

 private:
  static std::vector<std::string> names(Reader *in) {
    std::vector<std::string> result;
    for (uint32_t n = in->count(8); n > 0; n--) result.push_back(in->text());
    return result;
  }

  // Weights are {name, number of the descriptor, tensor}; each file is mapped once.
  void share_weights(Reader *in, const std::vector<Fd> &fds) {
    struct Weight {
      std::string name;
      uint32_t file;
      Value value;
    };
    std::vector<Weight> weights;
    std::vector<std::pair<uint64_t, uint64_t>> used(fds.size(), {UINT64_MAX, 0});
    for (uint32_t n = in->count(28); n > 0; n--) {
      Weight weight;
      weight.name = in->text();
      weight.file = in->u32();
      weight.value = read_value(in);
      const Value &value = weight.value;
      if (value.bytes > 0) {
        if (weight.file >= fds.size() || value.offset > INT64_MAX ||
            value.bytes > INT64_MAX - value.offset) {
          throw std::runtime_error("a weight lies nowhere");
        }
        auto &range = used[weight.file];
        range.first = std::min(range.first, value.offset);
        range.second = std::max(range.second, value.offset + value.bytes);
      }
      weights.push_back(std::move(weight));
    }
    for (size_t i = 0; i < fds.size(); i++)
      files_.emplace_back(fds[i], used[i].first, used[i].second);
    for (const Weight &weight : weights) {
      const Value &value = weight.value;
      const char *data = value.bytes ? files_[weight.file].at(value.offset, value.bytes) : nullptr;
      alias(workspace_.CreateBlob(weight.name), value, data);
    }
  }

  static std::unique_ptr<caffe2::NetDef> parse(const std::string &bytes, const char *what) {
    auto net = std::make_unique<caffe2::NetDef>();
    if (!caffe2::ParseProtoFromLargeString(bytes, net.get()))
      throw std::runtime_error(std::string(what) + " is no NetDef");
    return net;
  }

  void run_once(const std::string &bytes) {
    const auto net = parse(bytes, "init_net");
    for (int i = 0; i < net->op_size(); i++) {
      in_stage(kInitNet, i, [&] {
        if (!caffe2::CreateOperator(net->op(i), &workspace_, i)->Run())
          throw std::runtime_error("the operator failed and says no more");
      });
    }
  }

  // One by one, and not as a net: then it is known which one cannot be made, or fails. Running
  // them in order is what Caffe2's "simple" net does.
  void create(const std::string &bytes) {
    const auto net = parse(bytes, "predict_net");
    for (int i = 0; i < net->op_size(); i++) {
      in_stage(kCreateOperator, i,
               [&] { operators_.push_back(caffe2::CreateOperator(net->op(i), &workspace_, i)); });
    }
  }

  const caffe2::Tensor &output(const std::string &name, uint32_t *type) {
    const caffe2::Blob *blob = workspace_.GetBlob(name);
    if (!blob || !caffe2::BlobIsTensorType(*blob, caffe2::CPU))
      throw std::runtime_error("output '" + name + "' was not computed");
    const auto &tensor = blob->Get<caffe2::Tensor>();
    for (const ElementType &known : element_types()) {
      if (known.meta != tensor.dtype()) continue;
      *type = known.number;
      if (!tensor.is_contiguous())
        throw std::runtime_error("output '" + name + "' does not lie in one piece");
      return tensor;
    }
    throw std::runtime_error("output '" + name + "' has elements of type " +
                             std::string(tensor.dtype().name()) + ", which cannot be returned");
  }

  std::string collect(double seconds, Fd *memory) {
    Writer out;
    out.number<double>(seconds);
    Writer values;
    values.number<uint32_t>(static_cast<uint32_t>(outputs_.size()));
    std::vector<std::pair<const caffe2::Tensor *, uint64_t>> places;
    uint64_t end = 0;
    for (const std::string &name : outputs_) {
      uint32_t type = 0;
      const caffe2::Tensor &tensor = output(name, &type);
      const uint64_t offset = (end + kAlignment - 1) / kAlignment * kAlignment;
      values.number<uint32_t>(type);
      values.number<uint32_t>(static_cast<uint32_t>(tensor.dim()));
      for (int64_t size : tensor.sizes()) values.number<int64_t>(size);
      values.number<uint64_t>(offset);
      if (tensor.nbytes() > 0) {
        places.emplace_back(&tensor, offset);
        end = offset + tensor.nbytes();
      }
    }
    if (!places.empty()) *memory = Fd(memfd_create("toffee outputs", MFD_CLOEXEC));
    for (const auto &place : places) {
      write_all(*memory, static_cast<const char *>(place.first->raw_data()), place.first->nbytes(),
                place.second);
    }
    out.number<uint64_t>(end);
    return out.body() + values.body();
  }

  // By a call and not through a mapping: where memory runs out, this is an error and not a
  // signal.
  static void write_all(const Fd &fd, const char *data, uint64_t size, uint64_t offset) {
    while (size > 0) {
      const ssize_t n = pwrite(fd.get(), data, size, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_errno("no shared memory for the outputs");
      data += n;
      offset += static_cast<uint64_t>(n);
      size -= static_cast<uint64_t>(n);
    }
  }

  // In this order: tensors go before the memory in which they lie.
  std::vector<Mapping> files_;
  Mapping area_;
  caffe2::Workspace workspace_;
  std::vector<std::unique_ptr<caffe2::OperatorBase>> operators_;
  std::vector<std::string> inputs_;
  std::vector<std::string> outputs_;
};

// ---- a runner ----------------------------------------------------------------------------------

// End this process as soon as Python hangs up, or is gone, whatever the other thread is doing.
// PR_SET_PDEATHSIG would not do: it is about the parent, which is the template, and about the
// thread of it that forked. Some child of Python may hold a copy of the socket: hence PARENT.
[[noreturn]] void watch(int socket, int parent) {
  pollfd fds[2] = {{socket, POLLRDHUP, 0}, {parent, POLLIN, 0}};  // poll() skips -1
  while (poll(fds, 2, -1) < 0) {
  }
  _exit(0);
}

bool answer(int socket, std::unique_ptr<Session> *session, Message *message) {
  Fd memory;
  std::string body;
  uint32_t kind = kPrepared;
  try {
    in_stage(kOther, -1, [&] {
      if (message->kind == kPrepare) {
        session->reset();
        *session = std::make_unique<Session>(*message);
      } else if (message->kind == kRun && *session) {
        kind = kResult;
        body = (*session)->run(message, &memory);
      } else {
        throw std::runtime_error("a command that is not known, or not at this time");
      }
    });
  } catch (const Failure &failure) {
    Writer out;
    out.number<uint32_t>(failure.stage);
    out.number<int64_t>(failure.op);
    out.text(failure.message);
    kind = kFailed;
    body = out.body();
    memory = Fd();
  }
  return send_message(socket, kind, body, memory.get());
}

[[noreturn]] void serve_runner(int socket, int parent) {
  try {
    std::thread(watch, socket, parent).detach();
  } catch (const std::system_error &error) {
    std::fprintf(stderr, "runner: no thread could be started: %s\n", error.what());
    _exit(4);
  }
  // Where an error came from inside Caffe2 helps nobody here, and takes long to find out.
  c10::SetStackTraceFetcher([]() -> std::string { return ""; });
  std::unique_ptr<Session> session;
  Message message;
  while (receive(socket, &message) && answer(socket, &session, &message)) {
  }
  _exit(0);  // without Caffe2's destructors: the kernel is quicker, and cannot crash
}

// ---- the template ------------------------------------------------------------------------------

class Template {
 public:
  Template(int control, int parent) : control_(control), parent_(parent) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, &mask_);
    signals_ = Fd(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
    if (signals_.get() < 0) throw_errno("signalfd");
  }

  // Serve until Python is gone, or there has been no runner for a while.
  void serve() {
    Writer ready;
    ready.number<uint32_t>(kProtocol);
    ready.number<int64_t>(getpid());
    if (!send_message(control_, kReady, ready.body())) return;
    pollfd fds[3] = {{control_, POLLIN, 0}, {signals_.get(), POLLIN, 0}, {parent_, POLLIN, 0}};
    for (;;) {
      const int n = poll(fds, 3, running_.empty() ? kIdleMilliseconds : -1);
      if (n == 0 || fds[2].revents) return;
      if (n < 0) continue;
      if (fds[1].revents) reap();
      if (!fds[0].revents) continue;
      Message message;
      if (!receive(control_, &message) || !obey(&message)) return;
    }
  }

 private:
  bool obey(Message *message) {
    if (message->kind == kStart && message->fds.size() == 2) return start(message);
    if (message->kind == kEnd && message->body.size() == sizeof(uint64_t))
      return end(Reader(message->body).u64());
    std::fprintf(stderr, "runner: a command that the template does not know\n");
    return false;
  }

  bool start(Message *message) {
    const pid_t pid = fork();
    if (pid == 0) become_runner(message);
    const int64_t answer = pid < 0 ? -errno : pid;
    Writer out;
    out.number<uint64_t>(++last_);
    out.number<int64_t>(answer);
    if (pid > 0) running_[last_] = pid;
    message->fds.clear();
    return send_message(control_, kStarted, out.body());
  }

  [[noreturn]] void become_runner(Message *message) {
    const int socket = message->fds[0].get();
    const int log = message->fds[1].get();
    close(control_);
    signals_ = Fd();
    sigprocmask(SIG_SETMASK, &mask_, nullptr);
    prctl(PR_SET_NAME, "toffee-c2-run");
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    close(log);
    serve_runner(socket, parent_);
  }

  bool end(uint64_t number) {
    const auto found = running_.find(number);
    if (found != running_.end()) {
      int status = 0;
      kill(found->second, SIGKILL);  // nothing if it is dead already, and not another one's id
      while (waitpid(found->second, &status, 0) < 0 && errno == EINTR) {
      }
      keep(number, status);
      running_.erase(found);
    }
    bool known = false;
    int status = 0;
    for (const auto &one : statuses_) {
      if (one.first == number) {
        known = true;
        status = one.second;
      }
    }
    Writer out;
    out.number<uint32_t>(known);
    out.number<int32_t>(status);
    return send_message(control_, kEnded, out.body());
  }

  void reap() {
    signalfd_siginfo info;
    while (read(signals_.get(), &info, sizeof info) > 0) {
    }
    for (auto one = running_.begin(); one != running_.end();) {
      int status = 0;
      const pid_t pid = waitpid(one->second, &status, WNOHANG);
      if (pid == one->second) {
        keep(one->first, status);
        one = running_.erase(one);
      } else {
        ++one;
      }
    }
  }

  void keep(uint64_t number, int status) {
    statuses_.emplace_back(number, status);
    if (statuses_.size() > kStatusesKept) statuses_.pop_front();
  }

  const int control_;
  const int parent_;
  sigset_t mask_;
  Fd signals_;
  uint64_t last_ = 0;
  std::map<uint64_t, pid_t> running_;
  std::deque<std::pair<uint64_t, int>> statuses_;
};

// Python started us; leave it at once, so that it need not wait for us one day. What Python reaps
// is the process that it started, which ends here.
int run_template(int control, int parent) {
  const pid_t pid = fork();
  if (pid < 0) {
    std::perror("runner: fork");
    return 3;
  }
  if (pid > 0) _exit(0);
  const rlimit no_core = {0, 0};  // no file is left where a net crashes
  setrlimit(RLIMIT_CORE, &no_core);
  prctl(PR_SET_NAME, "toffee-c2");
  try {
    caffe2::GlobalInit();  // it starts no threads, which a fork would lose
    Template(control, parent).serve();
  } catch (const std::exception &error) {
    std::fprintf(stderr, "runner: %s\n", error.what());
    _exit(3);
  }
  _exit(0);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc == 2 && std::strcmp(argv[1], "--selftest") == 0) {
    std::printf("ok %zu\n", caffe2::CPUOperatorRegistry()->Keys().size());
    return 0;
  }
  if (argc == 4 && std::strcmp(argv[1], "--template") == 0)
    return run_template(std::atoi(argv[2]), std::atoi(argv[3]));
  std::fprintf(stderr, "%s is started by Python: import toffee.backend.c2\n", argv[0]);
  return 2;
}
